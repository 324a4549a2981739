#!/usr/bin/env bash
# Builds the wheel of clients/python, and tests it against the built daemon.
#
#   scripts/python_client.sh build             # target/python/inspectd-VERSION-py3-none-any.whl
#   scripts/python_client.sh test [ARGUMENT...]   # builds, installs the wheel into a virtual environment, checks its types
#                                              # and runs pytest there with these arguments
#
# INSPECTD_BIN is the daemon under test (default: target/debug/inspectd), with inspectctl next to it; INSPECTD_PYTHON_PACKAGES
# the folder of the Python packages that `scripts/setup.sh checks` installs (default: .tools/python).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PACKAGES=${INSPECTD_PYTHON_PACKAGES:-$PWD/.tools/python}
readonly OUT=$PWD/target/python
readonly VENV=$OUT/venv
export INSPECTD_BIN=${INSPECTD_BIN:-$PWD/target/debug/inspectd}
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.tools/onnxruntime/libonnxruntime.so}
# Files in the wheel have one date, so that two builds are equal.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
# Compiled modules are kept here, because the packages have none.
export PYTHONPYCACHEPREFIX=$OUT/pycache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

fail() {
    printf 'python_client: %s\n' "$*" >&2
    exit 1
}

# The output of pip and setuptools is shown only if they fail.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "failed: $*"
    fi
    rm -f "$log"
}

# In a copy of the source folder with the same depth, so that setuptools leaves nothing in the checkout.
build() {
    local stage=$OUT/stage
    for module in grpc_tools mypy_protobuf setuptools; do
        [ -d "$PACKAGES/$module" ] || fail "no Python package $module in $PACKAGES: run scripts/setup.sh checks"
    done
    rm -rf "$stage" "$OUT"/*.whl
    mkdir -p "$stage/clients"
    cp Cargo.toml "$stage/"
    cp -r proto "$stage/"
    cp -r clients/python "$stage/clients/"
    cp LICENSE "$stage/clients/python/"
    PYTHONPATH=$PACKAGES quietly python3 -m pip wheel --quiet --no-build-isolation --no-deps --no-index \
        --wheel-dir "$OUT" "$stage/clients/python"
    rm -rf "$stage"
    wheel=$(echo "$OUT"/*.whl)
}

# A virtual environment that sees the packages of the tests, and no source folder.
environment() {
    [ -x "$VENV/bin/python" ] || quietly python3 -m venv --without-pip "$VENV"
    local site
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$PACKAGES" >"$site/packages-of-the-tests.pth"
    quietly python3 -m pip --python "$VENV/bin/python" install --quiet --no-index --no-deps --no-compile --force-reinstall "$wheel"
    installed=$site/inspectd
}

mkdir -p "$OUT"
# Another run waits: both would change the same virtual environment.
exec 9>"$OUT/lock"
flock 9
[ $# -gt 0 ] || fail "an argument is required: build or test"
action=$1
shift
case $action in
build)
    build
    printf '%s\n' "${wheel#"$PWD"/}"
    ;;
test)
    [ -x "$INSPECTD_BIN" ] || fail "$INSPECTD_BIN does not exist: run cargo build --workspace, or set INSPECTD_BIN"
    build
    environment
    "$VENV/bin/python" -m mypy --config-file clients/python/pyproject.toml --cache-dir "$OUT/mypy" "$installed" \
        clients/python/examples
    exec "$VENV/bin/python" -m pytest -q -c clients/python/pyproject.toml --rootdir clients/python clients/python/tests "$@"
    ;;
*) fail "'$action' is not build or test" ;;
esac
