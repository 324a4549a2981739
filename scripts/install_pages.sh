#!/usr/bin/env bash
# Copies pages of docs/ with the pictures that they show, as an installation has them: links to what is not in the folder lead
# to the repository.
#
#   scripts/install_pages.sh FOLDER PAGE...
#
# Exit codes: 0 copied, 64 wrong arguments.
set -euo pipefail

readonly REPOSITORY=https://github.com/inspectd/inspectd/blob/main

[ $# -ge 2 ] || { printf 'install_pages: usage: scripts/install_pages.sh FOLDER PAGE...\n' >&2 && exit 64; }
folder=$1
shift

# targets PAGE: the files that a page links to, once each, without headings.
targets() { { grep -oE '\]\([^)#[:space:]]+' "$1" || true; } | sed 's/^](//' | sort -u; }

install -d -m 755 "$folder"
for page in "$@"; do
    install -m 644 "$page" "$folder/"
    while read -r target; do
        case $target in
        ../* | *://*) ;;
        *.png | *.svg) install -D -m 644 "$(dirname "$page")/$target" "$folder/$target" ;;
        esac
    done < <(targets "$page")
done
for page in "$@"; do
    copy=$folder/${page##*/} commands=()
    while read -r target; do
        case $target in
        *://* | mailto:*) continue ;;
        ../*) url=$REPOSITORY/${target#../} ;;
        *)
            [ ! -e "$folder/$target" ] || continue
            url=$REPOSITORY/docs/$target
            ;;
        esac
        # The end of a path is a bracket or a heading.
        commands+=(-e "s|](${target//./\\.}\([)#]\)|]($url\1|g")
    done < <(targets "$page")
    [ ${#commands[@]} -eq 0 ] || sed -i "${commands[@]}" "$copy"
done
