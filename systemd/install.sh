#!/usr/bin/env bash
# Installs the built programs as a systemd service. May be run again: programs and unit are replaced,
# settings are not. Starts nothing.
#
#   cargo build --release && sudo systemd/install.sh
#
# PREFIX (/usr) is where programs go, DESTDIR (empty) what is put before every path, as packagers do it.
# With DESTDIR, nothing is done to the running system: no user is made, systemd is not told.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr}
readonly BUILT=${CARGO_TARGET_DIR:-target}/release
readonly RUNTIME=.tools/onnxruntime/libonnxruntime.so

die() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

# put MODE FROM TO: a copy, whole or not at all, as a running program's file cannot be written into.
put() {
    install -D -m "$1" "$2" "$DESTDIR$3.new"
    mv -f "$DESTDIR$3.new" "$DESTDIR$3"
    printf 'install: %s\n' "$3"
}

# adapted MODE FROM TO: as put, with this PREFIX in the place of the file's own.
adapted() {
    local file
    file=$(mktemp)
    sed -e "s|@PREFIX@|$PREFIX|g" -e "s|=/usr/bin/|=$PREFIX/bin/|" -e "s|=/usr/lib/inspectd/|=$PREFIX/lib/inspectd/|" \
        "$2" >"$file"
    put "$1" "$file" "$3"
    rm -f "$file"
}

[[ $PREFIX == /* ]] || die "PREFIX=$PREFIX must be an absolute path"
for program in inspectd inspectctl; do
    [ -x "$BUILT/$program" ] || die "$BUILT/$program is not there: cargo build --release"
done
[ -e "$RUNTIME" ] || die "$RUNTIME is not there: scripts/setup.sh runtime"

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
[ ! -e docs/access.md ] || put 644 docs/access.md "$PREFIX/share/doc/inspectd/access.md"
"$BUILT/inspectctl" completions bash >"$BUILT/inspectctl.bash"
put 644 "$BUILT/inspectctl.bash" "$PREFIX/share/bash-completion/completions/inspectctl"
if [ -e "$DESTDIR/etc/inspectd/inspectd.toml" ]; then
    printf 'install: /etc/inspectd/inspectd.toml is kept\n'
else
    adapted 640 systemd/inspectd.toml /etc/inspectd/inspectd.toml
fi

[ -z "$DESTDIR" ] || exit 0
[ -d /run/systemd/system ] || die "systemd does not run here: files are in place, nothing else was done"
systemd-sysusers "$PREFIX/lib/sysusers.d/inspectd.conf"
systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/inspectd.conf"
systemctl daemon-reload
printf 'install: done; systemctl enable --now inspectd, then inspectctl status\n'
