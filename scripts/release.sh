#!/usr/bin/env bash
# Makes all files of a release, in target/release-files, from a clean checkout (docs/releasing.md): the Debian packages, the SBOM
# of each program, the licences of everything that is shipped, the Python wheel, the package for Node.js, the sources of the
# clients in C# and C++, and SHA256SUMS, which is written last and lists all others.
#
#   scripts/release.sh [--no-build]
#
# Requires what `make release` installs. --no-build takes the programs in target/release as they are.
#
# Exit codes: 0 all files are written, 1 otherwise, 64 wrong arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OUT=target/release-files PACKAGES=target/packages

die() {
    printf 'release: %s\n' "$*" >&2
    exit 1
}

case $*:$# in
:0 | --no-build:1) ;;
*) printf 'release: usage: scripts/release.sh [--no-build]\n' >&2 && exit 64 ;;
esac
[ -z "$(git status --porcelain)" ] || die "the checkout has changes: git status"
version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
for file in clients/node/package.json clients/csharp/Inspectd.Client/Inspectd.Client.csproj clients/cpp/CMakeLists.txt; do
    grep -qE "(\"version\": \"|<Version>|VERSION )${version//./\\.}[\"< ]" $file || die "$file has another version than Cargo.toml: $version"
done
umask 022
rm -rf $OUT
mkdir -p $OUT

scripts/packages.sh "$@"
scripts/supply_chain.sh licences sbom
cp $PACKAGES/*_"${version//-/\~}-1"_*.deb $PACKAGES/THIRD-PARTY-LICENSES $PACKAGES/sbom/*.cdx.json $OUT/

cp "$(scripts/python_client.sh build)" $OUT/
scripts/clients.sh node
npm pack --silent --ignore-scripts --pack-destination "$PWD/$OUT" ./target/clients/node >/dev/null
for client in cpp csharp; do
    git archive --format=tar --prefix="inspectd-$client-$version/" HEAD LICENSE proto clients/$client |
        gzip -9n >"$OUT/inspectd-$client-$version.tar.gz"
done

(cd $OUT && sha256sum -- * >SHA256SUMS)
printf 'release: %s files of %s in %s\n' "$(find $OUT -type f | wc -l)" "$version" $OUT
