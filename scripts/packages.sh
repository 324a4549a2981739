#!/usr/bin/env bash
# Builds the Debian packages into target/packages, with SHA256SUMS (docs/packages.md). Requires what `scripts/setup.sh runtime
# training packages` installs.
#
#   scripts/packages.sh [--version X] [--out FOLDER] [--no-build] [PACKAGE...]
#
# PACKAGE is inspectd, inspectd-onnxruntime, inspectd-mhkd, inspectd-forward, inspectd-plc or inspectd-opcua (default: all).
# --version gives the packages another version than that of Cargo.toml, --no-build packs the programs in target/release without a
# build. The same sources give the same files.
#
# Exit codes: 0 built, and lintian found nothing; 1 otherwise; 64 wrong arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CARGO_DEB_VERSION=3.8.0 CARGO_DEB=.tools/cargo-deb
readonly BUILT=${CARGO_TARGET_DIR:-target}/release
# The assets in the files Cargo.toml are below this folder.
readonly STAGE=target/packages/stage
readonly LICENCES=target/packages/THIRD-PARTY-LICENSES
readonly ALL=(inspectd inspectd-onnxruntime inspectd-mhkd inspectd-forward inspectd-plc inspectd-opcua)

say() { printf 'packages: %s\n' "$*"; }

die() {
    say "$*" >&2
    exit 1
}

usage() {
    say "$*; usage: scripts/packages.sh [--version X] [--out FOLDER] [--no-build] [${ALL[*]}]" >&2
    exit 64
}

# The version of the workspace.
workspace_version() {
    sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml
}

# A version of semver as one of Debian, where `~` is before the release.
debian_version() { printf '%s-1' "${1//-/\~}"; }

prerequisites() {
    local name
    for name in patchelf lintian dpkg-shlibdeps strip; do
        command -v $name >/dev/null || die "$name is not installed: run scripts/setup.sh packages"
    done
    scripts/setup.sh runtime training
    [ "$($CARGO_DEB/bin/cargo-deb --version 2>/dev/null)" = "cargo-deb $CARGO_DEB_VERSION" ] || {
        say "cargo-deb $CARGO_DEB_VERSION (two minutes) -> $CARGO_DEB"
        cargo install cargo-deb --quiet --locked --version $CARGO_DEB_VERSION --root $CARGO_DEB
    }
}

build() {
    say "release programs"
    # shellcheck source=scripts/release_env.sh
    . scripts/release_env.sh
    cargo build --quiet --release --locked --workspace --bins
}

# common PACKAGE: the files of every package: changelogs, licences, overrides of lintian.
common() {
    local package=$1 documents=$STAGE/$1/usr/share/doc/$1 overrides
    install -D -m 644 CHANGELOG.md "$documents/changelog"
    if [ "$package" != inspectd-onnxruntime ]; then
        install -m 644 $LICENCES "$documents/THIRD-PARTY-LICENSES"
    fi
    mkdir -p "$STAGE/$package/usr/share/lintian/overrides"
    for overrides in packaging/debian/lintian-overrides "packaging/debian/$package/lintian-overrides"; do
        [ ! -e "$overrides" ] || cat "$overrides"
    done >"$STAGE/$package/usr/share/lintian/overrides/$package"
    cat >"$STAGE/$package.changelog" <<TEXT
$package ($DEBIAN_VERSION) unstable; urgency=medium

  * Version $VERSION; changelog.gz in the same folder lists the changes.

 -- The inspectd authors <inspectd@users.noreply.github.com>  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
TEXT
}

# The tree that systemd/install.sh makes, so that both ways of installation put the same files in the same places.
stage_inspectd() {
    local tree=$STAGE/inspectd
    DESTDIR=$PWD/$tree PREFIX=/usr systemd/install.sh >/dev/null
    [ -e "$tree/usr/share/man/man8/inspectd.8.gz" ] || die "$BUILT/inspectd does not run on this machine"
    strip --strip-unneeded "$tree"/usr/bin/*
    # The library has a package of its own, and the configuration is made at the first installation.
    rm -r "$tree/usr/lib/inspectd" "${tree:?}/etc"
}

stage_inspectd-onnxruntime() {
    local tree=$STAGE/inspectd-onnxruntime
    scripts/check_libraries.sh onnxruntime .tools/onnxruntime || die "inspectd-onnxruntime is not built"
    install -D -m 644 .tools/onnxruntime/libonnxruntime.so "$tree/usr/lib/inspectd/libonnxruntime.so"
    install -D -m 644 .tools/onnxruntime/licences/ThirdPartyNotices.txt -t "$tree/usr/share/doc/inspectd-onnxruntime"
}

stage_inspectd-mhkd() {
    local tree=$STAGE/inspectd-mhkd shell library documents
    local libraries=$tree/usr/lib/inspectd/torch
    scripts/check_libraries.sh libtorch .tools/libtorch/lib || die "inspectd-mhkd is not built"
    # dpkg-shlibdeps takes a folder with this subfolder for the root of a package, and finds the libraries in it.
    mkdir -p "$tree/DEBIAN"
    install -D -m 755 "$BUILT/mhkd" "$tree/usr/bin/mhkd"
    strip --strip-unneeded "$tree/usr/bin/mhkd"
    patchelf --set-rpath "\$ORIGIN/../lib/inspectd/torch" "$tree/usr/bin/mhkd"
    for library in .tools/libtorch/lib/*.so*; do
        # libtorch.so contains nothing, and needs the part for CUDA.
        [ "${library##*/}" = libtorch.so ] || install -D -m 644 "$library" -t "$libraries"
    done
    # Only the two that are built by PyTorch are changed. They find the others in their own folder.
    for library in "$libraries"/lib{torch_cpu,c10}.so; do
        strip --strip-unneeded "$library"
        patchelf --set-rpath "\$ORIGIN" "$library"
    done
    documents=$tree/usr/share/doc/inspectd-mhkd
    install -D -m 644 .tools/libtorch/licences/LICENSE "$documents/LICENSE.libtorch"
    install -m 644 .tools/libtorch/licences/NOTICE "$documents/NOTICE.libtorch"
    install -m 644 .tools/libtorch/licences/NVIDIA-CUDA.txt "$documents/LICENSE.cuda"
    scripts/install_pages.sh "$documents" docs/{fit,training,evaluation}.md
    "$tree/usr/bin/mhkd" man-pages "$tree/usr/share/man/man1"
    mkdir -p "$tree/usr/share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    for shell in bash:bash-completion/completions/mhkd zsh:zsh/vendor-completions/_mhkd \
        fish:fish/vendor_completions.d/mhkd.fish; do
        "$tree/usr/bin/mhkd" completions "${shell%%:*}" >"$tree/usr/share/${shell#*:}"
    done
}

# stage_gateway PROGRAM: a gateway with its unit and its example configuration.
stage_gateway() {
    local program=$1 name=${1#inspectd-} tree=$STAGE/$1 shell
    install -D -m 755 "$BUILT/$program" "$tree/usr/bin/$program"
    strip --strip-unneeded "$tree/usr/bin/$program"
    install -D -m 644 "systemd/$program.service" -t "$tree/usr/lib/systemd/system"
    install -D -m 644 "examples/$name.toml" -t "$tree/usr/share/doc/$program"
    "$BUILT/$program" man-pages "$tree/usr/share/man/man8"
    mkdir -p "$tree/usr/share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    for shell in "bash:bash-completion/completions/$program" "zsh:zsh/vendor-completions/_$program" \
        "fish:fish/vendor_completions.d/$program.fish"; do
        "$BUILT/$program" completions "${shell%%:*}" >"$tree/usr/share/${shell#*:}"
    done
}

stage_inspectd-forward() {
    stage_gateway inspectd-forward
    local documents=$STAGE/inspectd-forward/usr/share/doc/inspectd-forward
    scripts/install_pages.sh "$documents" docs/forward.md
    install -m 644 examples/postgresql/*.sql "$documents/"
    install -D -m 644 packaging/monitoring/grafana/inspectd-plant.json -t "$STAGE/inspectd-forward/usr/share/inspectd-forward/grafana"
}

stage_inspectd-plc() {
    stage_gateway inspectd-plc
    local documents=$STAGE/inspectd-plc/usr/share/doc/inspectd-plc
    scripts/install_pages.sh "$documents" docs/modbus.md
    install -m 644 examples/plc/inspectd_station.st "$documents/"
}

stage_inspectd-opcua() {
    stage_gateway inspectd-opcua
    scripts/install_pages.sh "$STAGE/inspectd-opcua/usr/share/doc/inspectd-opcua" docs/opcua.md
}

# Name of the crate whose Cargo.toml describes a package.
crate() {
    case $1 in
    inspectd) echo inspectd ;;
    inspectd-onnxruntime) echo inspectd-engine ;;
    inspectd-mhkd) echo mhkd ;;
    *) echo "$1" ;;
    esac
}

# package PACKAGE: its file in $OUT.
package() {
    local package=$1 file
    file=${package}_${DEBIAN_VERSION}_$(dpkg --print-architecture).deb
    say "$file"
    rm -rf "${STAGE:?}/$package" "$OUT/$package"_*.deb
    "stage_$package"
    common "$package"
    # Quiet, because it warns of assets below `target` that Cargo has not built.
    $CARGO_DEB/bin/cargo-deb --quiet --locked --no-build --no-strip --package "$(crate "$package")" \
        --deb-version "$DEBIAN_VERSION" --output "$OUT/$file" >/dev/null
    lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$OUT/$file"
    built+=("$file")
}

VERSION=$(workspace_version) OUT=target/packages
with_build=yes packages=()
while [ $# -gt 0 ]; do
    case $1 in
    --version) VERSION=${2:?a version} && shift ;;
    --out) OUT=${2:?a folder} && shift ;;
    --no-build) with_build=no ;;
    inspectd | inspectd-onnxruntime | inspectd-mhkd | inspectd-forward | inspectd-plc | inspectd-opcua) packages+=("$1") ;;
    *) usage "unknown argument '$1'" ;;
    esac
    shift
done
[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || usage "--version $VERSION must be like 0.2.0 or 0.2.0-rc.1"
[ ${#packages[@]} -gt 0 ] || packages=("${ALL[@]}")
DEBIAN_VERSION=$(debian_version "$VERSION")
# Times in the packages: that of the last change.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
# Files are readable for all, whatever the umask of the caller is.
umask 022

prerequisites
[ $with_build = no ] || build
mkdir -p "$OUT" $STAGE
if [ $with_build = yes ] || [ ! -e $LICENCES ]; then scripts/supply_chain.sh licences >/dev/null; fi
built=()
for package in "${packages[@]}"; do package "$package"; done
(cd "$OUT" && sha256sum ./*.deb | sed 's|  \./|  |' >SHA256SUMS)
say "$OUT: ${built[*]}"
