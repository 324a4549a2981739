#!/usr/bin/env bash
# Checks the protos: their style, and that they are compatible with every release (tests/data/inspectd-vX.Y.Z.bin). The rules are
# in proto/buf.yaml. Installs buf into .tools/buf if it is missing; prints nothing if there is no finding.
#
#   scripts/buf.sh [FOLDER]       (default: proto)
#   scripts/buf.sh --install      only installs buf
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BUF_VERSION=1.75.0
readonly TOOLS=$PWD/.tools

if [ "$(cat "$TOOLS/buf.version" 2>/dev/null)" != "$BUF_VERSION" ]; then
    printf 'buf: buf %s (95 MB kept) -> .tools/buf\n' "$BUF_VERSION"
    rm -rf "$TOOLS/buf"
    mkdir -p "$TOOLS/buf"
    npm install --prefix "$TOOLS/buf" --no-save --ignore-scripts --no-audit --no-fund --silent "@bufbuild/buf@$BUF_VERSION"
    printf '%s' "$BUF_VERSION" >"$TOOLS/buf.version"
fi

[ "${1:-}" != --install ] || exit 0

# The protos have no dependencies, so that buf needs no network.
export BUF_CACHE_DIR=$TOOLS/buf/cache
buf() { "$TOOLS/buf/node_modules/.bin/buf" "$@"; }

readonly FOLDER=${1:-proto}
status=0
buf lint "$FOLDER" || status=$?
for release in tests/data/inspectd-v*.bin; do
    buf breaking "$FOLDER" --against "$release#format=binpb" || status=$?
done
exit $status
