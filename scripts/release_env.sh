# shellcheck shell=sh
# Settings of a build that others can repeat, for every release program: the folder of the sources, that of Cargo and the
# time of the build are not in the programs. To be sourced in the root of the project:
#
#   . scripts/release_env.sh && cargo build --release --locked
#
# RUSTFLAGS and CFLAGS of the caller are replaced, because they would change the programs.
release_cargo=${CARGO_HOME:-$HOME/.cargo}
release_target=${CARGO_TARGET_DIR:-$PWD/target}
# The last prefix that matches applies: the target folder is usually in the folder of the sources.
export RUSTFLAGS="--remap-path-prefix=$release_cargo=/cargo --remap-path-prefix=$PWD=/inspectd --remap-path-prefix=$release_target=/inspectd/target"
export CFLAGS="-ffile-prefix-map=$release_cargo=/cargo -ffile-prefix-map=$PWD=/inspectd -ffile-prefix-map=$release_target=/inspectd/target"
export CXXFLAGS="$CFLAGS"
export CARGO_INCREMENTAL=0
# Seconds since 1970 of the last change; 0 in sources without history.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
unset release_cargo release_target
