#!/usr/bin/env bash
# Builds the client with an installed .NET SDK and tests it with `inspectctl conformance`. Needs a package registry for the
# packages that the project names.
#
#   clients/csharp/conformance.sh [argument of inspectctl conformance]...
set -euo pipefail
cd "$(dirname "$0")"

command -v dotnet >/dev/null || {
    printf 'conformance: dotnet is not installed: install the .NET SDK 8 or newer\n' >&2
    exit 69
}
readonly OUT=../../target/clients/csharp
dotnet build examples/Conformance --configuration Release --output "$OUT"
"${INSPECTCTL:-inspectctl}" conformance "$@" -- dotnet "$OUT/Conformance.dll" '{address}'
