#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS (default: 600), one after the other:
#   scripts/fuzz.sh [SECONDS] [TARGET...]
# New inputs are written to target/fuzz/corpus, the committed ones are only read; inputs that crash are in
# fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_FUZZ_VERSION=0.13.2
seconds=${1:-600}
[ $# -eq 0 ] || shift

skip() {
    echo "fuzz: skipped: $1"
    exit 0
}
command -v c++ >/dev/null || skip "C++ compiler not found (required by libFuzzer)"
cargo +nightly --version >/dev/null 2>&1 || skip "nightly toolchain not found (rustup toolchain install nightly)"

tool=.tools/cargo-fuzz/bin/cargo-fuzz
export PATH="$PWD/.tools/cargo-fuzz/bin:$PATH"
command -v cargo-fuzz >/dev/null || {
    echo "fuzz: building $tool"
    CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-fuzz --quiet --locked --debug \
        --version "$CARGO_FUZZ_VERSION" --root .tools/cargo-fuzz
}
# Installed by `scripts/setup.sh runtime`.
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.tools/onnxruntime/libonnxruntime.so}
# A separate folder: sanitizer builds are not compatible with other builds.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/fuzz/build}
# Stack traces of cargo-fuzz itself are not useful.
export RUST_BACKTRACE=0

mkdir -p target/fuzz
# Fuzz with the same versions of the dependencies as the release.
cp Cargo.lock fuzz/Cargo.lock
cargo +nightly fuzz build >target/fuzz/build.log 2>&1 || {
    tail -n 40 target/fuzz/build.log
    exit 1
}
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
for target in "${targets[@]}"; do
    new=target/fuzz/corpus/$target
    mkdir -p "$new"
    options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1)
    dictionary=fuzz/dictionaries/$target.dict
    [ ! -e "$dictionary" ] || options+=(-dict="$dictionary")
    log=target/fuzz/$target.log
    echo "fuzz: $target for $seconds s"
    cargo +nightly fuzz run "$target" "$new" "fuzz/corpus/$target" -- "${options[@]}" >"$log" 2>&1 || {
        tail -n 40 "$log"
        echo "fuzz: $target failed; the full log is in $log"
        exit 1
    }
    grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$log" || true
    grep -E 'cov: ' "$log" | tail -n 1 || true
done
