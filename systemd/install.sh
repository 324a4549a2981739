#!/usr/bin/env bash
# Installs the built programs as a systemd service. May be repeated: programs and unit are replaced, settings are
# kept. Does not start the service.
#
#   cargo build --release && sudo systemd/install.sh
#
# PREFIX (/usr) is the folder of the programs; DESTDIR (empty) is prepended to every path, for packagers.
# With DESTDIR, the running system is not changed: no user is created, systemd is not reloaded.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr}
readonly BUILT=${CARGO_TARGET_DIR:-target}/release
readonly RUNTIME=.tools/onnxruntime/libonnxruntime.so

die() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

# copy MODE FROM TO: copies and renames, because the file of a running program cannot be written.
copy() {
    install -D -m "$1" "$2" "$DESTDIR$3.new"
    mv -f "$DESTDIR$3.new" "$DESTDIR$3"
}

# put MODE FROM TO: like copy, and prints the path.
put() {
    copy "$@"
    printf 'install: %s\n' "$3"
}

# adapted MODE FROM TO: like put, with PREFIX substituted.
adapted() {
    local file
    file=$(mktemp)
    sed -e "s|@PREFIX@|$PREFIX|g" -e "s|=/usr/bin/|=$PREFIX/bin/|" -e "s|=/usr/lib/inspectd/|=$PREFIX/lib/inspectd/|" \
        "$2" >"$file"
    put "$1" "$file" "$3"
    rm -f "$file"
}

# manual PROGRAM: man pages and completion scripts, which the program itself writes.
manual() {
    local program=$1 folder page number shell zsh=site-functions
    if ! "$BUILT/$program" --version >/dev/null 2>&1; then
        printf 'install: %s does not run on this machine: its man pages and completions are left out\n' "$program"
        return
    fi
    # Debian keeps site-functions of /usr for files that are not of a package.
    [ "$PREFIX" != /usr ] || zsh=vendor-completions
    folder=$(mktemp -d)
    "$BUILT/$program" man-pages "$folder/man"
    # Without names and times, so that the same pages give the same files.
    gzip -9n "$folder"/man/*
    for page in "$folder"/man/*.gz; do
        number=${page%.gz}
        copy 644 "$page" "$PREFIX/share/man/man${number##*.}/${page##*/}"
    done
    printf 'install: %s/share/man/man?/%s*\n' "$PREFIX" "$program"
    for shell in bash zsh fish; do
        "$BUILT/$program" completions $shell >"$folder/$shell"
    done
    put 644 "$folder/bash" "$PREFIX/share/bash-completion/completions/$program"
    put 644 "$folder/zsh" "$PREFIX/share/zsh/$zsh/_$program"
    put 644 "$folder/fish" "$PREFIX/share/fish/vendor_completions.d/$program.fish"
    rm -r "$folder"
}

[[ $PREFIX == /* ]] || die "PREFIX=$PREFIX must be an absolute path"
for program in inspectd inspectctl; do
    [ -x "$BUILT/$program" ] || die "$BUILT/$program does not exist: run cargo build --release"
done
[ -e "$RUNTIME" ] || die "$RUNTIME does not exist: run scripts/setup.sh runtime"

put 755 "$BUILT/inspectd" "$PREFIX/bin/inspectd"
put 755 "$BUILT/inspectctl" "$PREFIX/bin/inspectctl"
put 644 "$RUNTIME" "$PREFIX/lib/inspectd/libonnxruntime.so"
for file in models/demo/*; do
    put 644 "$file" "$PREFIX/share/inspectd/bundles/demo/${file##*/}"
done
adapted 644 systemd/inspectd.service "$PREFIX/lib/systemd/system/inspectd.service"
put 644 systemd/inspectd.sysusers "$PREFIX/lib/sysusers.d/inspectd.conf"
put 644 systemd/inspectd.tmpfiles "$PREFIX/lib/tmpfiles.d/inspectd.conf"
[ ! -e examples/inspectd.toml ] || put 644 examples/inspectd.toml "$PREFIX/share/doc/inspectd/inspectd.toml"
pages=()
for page in docs/*.md; do
    # SUMMARY.md is the list of the chapters, for mdBook.
    [ "$page" = docs/SUMMARY.md ] || pages+=("$page")
done
scripts/install_pages.sh "$DESTDIR$PREFIX/share/doc/inspectd" "${pages[@]}"
printf 'install: %s/share/doc/inspectd\n' "$PREFIX"
for file in prometheus/inspectd.rules.yml prometheus/inspectd.rules.test.yml grafana/inspectd.json; do
    put 644 "packaging/monitoring/$file" "$PREFIX/share/inspectd/monitoring/$file"
done
manual inspectd
manual inspectctl
# `inspectd init` replaces a configuration that is equal to this one.
adapted 644 systemd/inspectd.toml "$PREFIX/share/inspectd/inspectd.toml"
if [ -e "$DESTDIR/etc/inspectd/inspectd.toml" ]; then
    printf 'install: /etc/inspectd/inspectd.toml is kept\n'
else
    adapted 640 systemd/inspectd.toml /etc/inspectd/inspectd.toml
fi

[ -z "$DESTDIR" ] || exit 0
[ -d /run/systemd/system ] || die "systemd is not running: files are installed, no user was created"
systemd-sysusers "$PREFIX/lib/sysusers.d/inspectd.conf"
systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/inspectd.conf"
systemctl daemon-reload
printf 'install: done; next: systemctl enable --now inspectd, inspectctl status\n'
