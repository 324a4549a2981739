#!/usr/bin/env bash
# Builds the release programs twice, in folders with different names and with different folders of Cargo, and compares them
# byte by byte (docs/supply-chain.md).
#
#   scripts/reproducible.sh                                     all programs but mhkd, twice
#   scripts/reproducible.sh -p inspectd-client                  the programs of one package, twice
#   scripts/reproducible.sh --with FOLDER [-p PACKAGE ...]      one build, compared with the programs in FOLDER; without -p
#                                                               those of the packages whose programs are there
#   scripts/reproducible.sh --packages                          the Debian packages of target/release, packed twice
#
# Builds with scripts/release_env.sh, in a temporary folder that is removed at the end; the files are those of the working
# tree. KEEP=1 keeps the folder. A release build takes 10 to 20 minutes on two cores.
#
# Exit codes: 0 identical, 1 different or not built, 64 wrong arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    printf 'reproducible: %s\n' "$*" >&2
    exit 64
}

# A package of Cargo and its first program.
readonly DEFAULT=(inspectd:inspectd inspectd-client:inspectctl inspectd-forward:inspectd-forward inspectd-plc:inspectd-plc
    inspectd-opcua:inspectd-opcua)

# pack FOLDER LANGUAGE TIME_ZONE: all Debian packages, of the programs in target/release.
pack() { LC_ALL=$2 TZ=$3 scripts/packages.sh --no-build --out "$1" >"$1.log" || { cat "$1.log" >&2 && exit 1; }; }

compare_packages() {
    local work file different=0
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    pack "$work/a" C UTC
    pack "$work/b" C.UTF-8 Pacific/Auckland
    for file in "$work"/a/*.deb; do
        if cmp --silent "$file" "$work/b/${file##*/}"; then
            printf 'reproducible: identical: %s\n' "$(sha256sum "$file" | sed "s|$work/a/||")"
        else
            printf 'reproducible: DIFFERENT: %s\n' "${file##*/}" >&2
            different=1
        fi
    done
    exit $different
}

with='' packages=()
while [ $# -gt 0 ]; do
    case $1 in
    -p) [ $# -ge 2 ] || usage "-p needs a package"; packages+=(-p "$2"); shift 2 ;;
    --with) [ -d "${2:-}" ] || usage "--with needs a folder"; with=$(realpath "$2"); shift 2 ;;
    --packages) [ $# -eq 1 ] && [ ${#packages[@]} -eq 0 ] && [ -z "$with" ] || usage "--packages has no other arguments"; compare_packages ;;
    *) usage "unknown argument $1 (-p PACKAGE, --with FOLDER, --packages)" ;;
    esac
done
if [ ${#packages[@]} -eq 0 ]; then
    for package in "${DEFAULT[@]}"; do
        [ -n "$with" ] && [ ! -e "$with/${package#*:}" ] || packages+=(-p "${package%:*}")
    done
    [ ${#packages[@]} -gt 0 ] || usage "$with has no program of inspectd"
fi

readonly SOURCES=$PWD CARGO=${CARGO_HOME:-$HOME/.cargo}
work=$(mktemp -d)
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT

# copy FOLDER: the files of the working tree that git tracks or does not ignore, with their history.
copy() {
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar --null --files-from=- -c | tar -C "$1" -x --touch
    cp -r "$(git rev-parse --git-common-dir)" "$1/.git"
    ln -s "$SOURCES/.tools" "$1/.tools"
}

# build FOLDER CARGO_HOME LANGUAGE TIME_ZONE
build() {
    local began=$SECONDS
    copy "$1"
    mkdir -p "$2"
    ln -s "$CARGO/registry" "$2/registry"
    [ ! -e "$CARGO/config.toml" ] || cp "$CARGO/config.toml" "$2/"
    (
        cd "$1"
        export CARGO_HOME=$2 LC_ALL=$3 TZ=$4
        unset CARGO_TARGET_DIR
        # shellcheck source=scripts/release_env.sh
        . scripts/release_env.sh
        cargo build --quiet --release --locked "${packages[@]}" --bins
    )
    printf 'reproducible: built in %s s in %s\n' "$((SECONDS - began))" "$1"
}

programs_of() { find "$1" -maxdepth 1 -type f -executable -printf '%f\n' | sort; }

# described PROGRAM: sizes of sections, libraries, and texts.
described() {
    readelf --sections --wide "$1" | sed 's/^ *\[ *[0-9]*\] *//' | awk '{ print "section", $1, $5 }'
    readelf --dynamic "$1" | grep -E 'NEEDED|RPATH|RUNPATH' || true
    strings -n 8 "$1" | sort -u
}

differences() { # FIRST SECOND
    diff <(described "$1") <(described "$2") | head -n 40
    printf '%s bytes differ\n' "$(cmp -l "$1" "$2" 2>/dev/null | wc -l)"
}

build "$work/a/inspectd" "$work/a/cargo" C UTC
if [ -z "$with" ]; then
    build "$work/b/another/folder/of-the-sources" "$work/b/home/.cargo" C.UTF-8 Pacific/Auckland
    with=$work/b/another/folder/of-the-sources/target/release
fi
different=0
for program in $(programs_of "$work/a/inspectd/target/release"); do
    one=$work/a/inspectd/target/release/$program two=$with/$program
    [ -e "$two" ] || { printf 'reproducible: %s does not exist\n' "$two" >&2 && exit 1; }
    # The programs of the packages have no symbols.
    if ! readelf --sections --wide "$two" | grep -q ' \.symtab '; then
        strip --strip-unneeded -o "$work/$program" "$one"
        one=$work/$program
    fi
    if cmp --silent "$one" "$two"; then
        printf 'reproducible: identical: %s\n' "$(sha256sum "$one" | sed "s|$work/||")"
    else
        printf 'reproducible: DIFFERENT: %s\n' "$program" >&2
        differences "$one" "$two" >&2 || true
        different=1
    fi
    # The folders of this build must not be in the program, even if both builds used the same.
    if grep --quiet --text --fixed-strings -e "$work" -e "$CARGO" "$one"; then
        printf 'reproducible: %s contains a folder of the build:\n' "$program" >&2
        strings "$one" | grep --fixed-strings -e "$work" -e "$CARGO" | sort -u | head -n 10 >&2
        different=1
    fi
done
exit "$different"
