#!/usr/bin/env bash
# Collects the licences of everything that is shipped, and writes an SBOM for each program (docs/supply-chain.md):
#
#   scripts/setup.sh runtime training && cargo build --release --workspace && scripts/supply_chain.sh
#
#   scripts/supply_chain.sh [licences] [sbom] [advisories]       (default: licences sbom)
#
# Results in target/packages: THIRD-PARTY-LICENSES and sbom/PROGRAM.cdx.json. `licences` needs no built programs. The tools
# are installed into .tools/ at the first run, which takes some minutes. BUILT is the folder of the programs.
#
# `advisories` checks Cargo.lock against the RustSec database at the commit in scripts/supply_chain/advisory_db.commit, so that
# the result can be repeated; the database is fetched into .tools/advisory-db. ADVISORY_DB is the folder of another clone, such
# as one that was copied to a machine without a network. `make advisories` uses the newest database instead.
#
# Exit codes: 0 written and without findings, 1 something that is shipped is not covered, an advisory applies or a tool failed,
# 64 wrong arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BUILT=${BUILT:-${CARGO_TARGET_DIR:-target}/release}
readonly OUT=target/packages
readonly ADVISORY_DB_SOURCE=https://github.com/RustSec/advisory-db
readonly CYCLONEDX_VERSION=0.5.9 ABOUT_VERSION=0.9.3
# As in the Makefile.
readonly DENY_VERSION=0.20.2
readonly SCHEMA_WHEEL="cyclonedx-python-lib[json-validation]==11.12.0"

# installed CRATE VERSION [arguments of cargo install]
installed() {
    local crate=$1 version=$2 folder=$PWD/.tools/$1
    shift 2
    export PATH=$folder/bin:$PATH
    [ "$("$folder/bin/$crate" "${crate#cargo-}" --version 2>/dev/null | awk '{ print $2 }')" != "$version" ] || return 0
    printf 'supply_chain: %s %s -> .tools/%s\n' "$crate" "$version" "$crate"
    CARGO_PROFILE_DEV_DEBUG=false cargo install "$crate" --quiet --locked --version "$version" --root "$folder" "$@"
}

schema() {
    local folder=.tools/cyclonedx
    export PYTHONPATH=$PWD/$folder:$PWD/scripts
    [ "$(cat "$folder.version" 2>/dev/null)" != "$SCHEMA_WHEEL" ] || return 0
    printf 'supply_chain: %s -> %s\n' "$SCHEMA_WHEEL" "$folder"
    rm -rf "$folder" "$folder.part"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
        --target "$folder.part" "$SCHEMA_WHEEL" 2>/dev/null
    mv "$folder.part" "$folder"
    printf '%s' "$SCHEMA_WHEEL" >"$folder.version"
}

collect() { # licences|sbom
    python3 -B -m supply_chain "$1" --built "$BUILT" --out "$OUT"
}

# The database at the pinned commit, in .tools/advisory-db. A commit is the hash of its content, so that git verifies it.
pinned_database() {
    local commit folder=.tools/advisory-db
    commit=$(<scripts/supply_chain/advisory_db.commit)
    if [ "$(git -C $folder rev-parse --quiet --verify main 2>/dev/null)" != "$commit" ]; then
        rm -rf $folder
        git init --quiet --initial-branch=main $folder
        git -C $folder fetch --quiet --depth 1 "$ADVISORY_DB_SOURCE" "$commit"
        git -C $folder update-ref refs/heads/main "$commit"
    fi
    ADVISORY_DB=$PWD/$folder
}

# cargo-deny finds a database only below this name, which it makes of the address of RustSec's database. It looks up yanked
# versions in a registry, and requires a new database, unless it is offline.
advisories() {
    local work
    [ -n "${ADVISORY_DB:-}" ] || pinned_database
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    git clone --quiet "$ADVISORY_DB" "$work/db/advisory-db-3157b0e258782691"
    sed "s|^\[advisories\]|&\ndb-path = \"$work/db\"|; s|^yanked = .*|yanked = \"allow\"|" deny.toml >"$work/deny.toml"
    git -C "$ADVISORY_DB" log -1 --format='supply_chain: RustSec database of %cs, %H'
    # Also crates of other platforms, of which cargo-deny reads the manifests.
    cargo fetch --quiet --locked
    cargo deny --offline --config "$work/deny.toml" --workspace check --hide-inclusion-graph advisories
}

[ $# -gt 0 ] || set -- licences sbom
for command in "$@"; do
    case $command in
    licences | sbom) ;;
    advisories)
        [ -z "${ADVISORY_DB:-}" ] || [ -d "$ADVISORY_DB" ] || { printf 'supply_chain: ADVISORY_DB must be a clone of the database\n' >&2 && exit 64; }
        ;;
    *) printf 'supply_chain: unknown argument %s (licences, sbom, advisories)\n' "$command" >&2 && exit 64 ;;
    esac
done
# The time of the last change, not that of the run: the same sources give the same files.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
export PYTHONPATH=$PWD/scripts
for command in "$@"; do
    case $command in
    licences)
        # Optimised, because it compares texts: more than ten minutes otherwise.
        CARGO_PROFILE_RELEASE_LTO=false installed cargo-about "$ABOUT_VERSION" --features cli
        collect licences
        ;;
    sbom)
        installed cargo-cyclonedx "$CYCLONEDX_VERSION" --debug
        schema
        collect sbom
        ;;
    advisories)
        installed cargo-deny "$DENY_VERSION" --debug
        advisories
        ;;
    esac
done
