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

# put MODE FROM TO: copies and renames, because the file of a running program cannot be written.
put() {
    install -D -m "$1" "$2" "$DESTDIR$3.new"
    mv -f "$DESTDIR$3.new" "$DESTDIR$3"
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
for document in access.md page.md; do
    [ ! -e docs/$document ] || put 644 docs/$document "$PREFIX/share/doc/inspectd/$document"
done
"$BUILT/inspectctl" completions bash >"$BUILT/inspectctl.bash"
put 644 "$BUILT/inspectctl.bash" "$PREFIX/share/bash-completion/completions/inspectctl"
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
