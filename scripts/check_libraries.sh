#!/usr/bin/env bash
# Compares the libraries in a folder with their SHA-256 in scripts/libraries. Prints nothing if each is the expected one, and
# no other is in the folder.
#
#   scripts/check_libraries.sh onnxruntime|libtorch FOLDER
#
# Exit codes: 0 as expected, 1 a library is changed, missing or not listed, 64 wrong arguments.
set -euo pipefail

fail() {
    printf 'check_libraries: %s\n' "$*" >&2
    exit 1
}

case ${1:-} in
onnxruntime | libtorch) ;;
*) printf 'check_libraries: usage: scripts/check_libraries.sh onnxruntime|libtorch FOLDER\n' >&2 && exit 64 ;;
esac
[ $# -eq 2 ] && [ -d "$2" ] || { printf 'check_libraries: %s is not a folder\n' "${2:-}" >&2 && exit 64; }
list=$(dirname "$(realpath "$0")")/libraries/$1.$(uname -m).sha256
[ -e "$list" ] || fail "$1: no SHA-256 is known for $(uname -m): $list does not exist"
cd "$2"
differing=$(sha256sum --check --quiet "$list" 2>&1) ||
    fail "$2: not the libraries of $1 that were published; remove the folder, and run scripts/setup.sh: $differing"
# Files, and what symbolic links lead to.
unknown=$(find . -maxdepth 1 -name '*.so*' \( -type l -printf '%l\n' -o -printf '%f\n' \) | sort -u | comm -23 - <(awk '{ print $2 }' "$list" | sort))
[ -z "$unknown" ] || fail "$2: not libraries of $1: $unknown"
