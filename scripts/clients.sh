#!/usr/bin/env bash
# Builds the clients in C++ and for Node.js and runs their tests that need no daemon. Everything is written to target/clients/:
#
#   cpp/build/{conformance,trigger,watch}   programs in C++
#   cpp/installed                           the library as `cmake --install` leaves it
#   node                                    the package for Node.js, with its examples
#
#   scripts/clients.sh [cpp] [node]         (default: both)
#
# Debian packages: cmake g++ libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc nodejs npm. Prints nothing if
# everything is built.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OUT=$PWD/target/clients

need() { # program, Debian package
    command -v "$1" >/dev/null || {
        printf 'clients: %s is not installed: install the Debian package %s\n' "$1" "$2" >&2
        exit 69
    }
}

# Runs a command; its output is shown only if it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
}

# built NAME FOLDER...: true if NAME was built from the files that are in the folders now.
hash_of() { find "$@" -type f ! -path '*/node_modules/*' ! -path '*/dist/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum; }
built() { [ "$(cat "$OUT/$1.sha256" 2>/dev/null)" = "$(hash_of "${@:2}")" ]; }
done_with() { hash_of "${@:2}" >"$OUT/$1.sha256"; }

# Without optimisation, and in few units: it is compiled in half the time.
cpp() {
    need cmake cmake
    need grpc_cpp_plugin protobuf-compiler-grpc
    built cpp clients/cpp proto && return
    quietly cmake -S clients/cpp -B "$OUT/cpp/build" -DCMAKE_BUILD_TYPE= -DCMAKE_CXX_FLAGS=-Werror -DCMAKE_UNITY_BUILD=ON \
        -DCMAKE_UNITY_BUILD_BATCH_SIZE=20 -DINSPECTD_BUILD_TESTS=ON -DCMAKE_INSTALL_PREFIX="$OUT/cpp/installed"
    quietly cmake --build "$OUT/cpp/build" --parallel "$(nproc)"
    quietly "$OUT/cpp/build/unit_test"
    quietly cmake --install "$OUT/cpp/build"
    done_with cpp clients/cpp proto
}

# In a copy: npm writes into the folder of the package.
node_js() {
    need node nodejs
    need npm npm
    built node clients/node proto && return
    mkdir -p "$OUT/node"
    find "$OUT/node" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
    cp -rL clients/node/{package.json,package-lock.json,.npmrc,tsconfig.json,src,tools,test,examples,proto} "$OUT/node/"
    quietly npm --prefix "$OUT/node" ci --ignore-scripts --no-audit --no-fund
    quietly npm --prefix "$OUT/node" run build
    (cd "$OUT/node" && quietly node --test test/unit.test.mjs)
    done_with node clients/node proto
}

mkdir -p "$OUT"
[ $# -gt 0 ] || set -- cpp node
for client in "$@"; do
    case $client in
    cpp) cpp ;;
    node) node_js ;;
    *) printf "clients: unknown client '%s' (cpp, node)\n" "$client" >&2 && exit 64 ;;
    esac
done
