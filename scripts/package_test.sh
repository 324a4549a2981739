#!/usr/bin/env bash
# Installs the packages of target/packages in a clean Debian 12 and uses them (docs/packages.md). Prints one line for each
# step, with its time in seconds, and stops at the first that fails.
#
#   scripts/packages.sh && sudo scripts/package_test.sh
#
# The root is made by debootstrap and booted by systemd-nspawn, with systemd as process 1 and without a network. A Debian
# mirror must be reachable. What is fetched is kept in target/package-test for the next run.
#
# Exit codes: 0 passed, 1 a step failed, 64 wrong arguments.
#
# Variables in single quotes are those of a shell in the container, or fields of dpkg.
# shellcheck disable=SC2016
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PACKAGES=target/packages
readonly WORK=$PWD/target/package-test
readonly ROOT=$WORK/root BASE=$WORK/base.tar ARCHIVES=$WORK/archives
# What the test itself uses in the root, next to a minimal Debian with systemd.
readonly TOOLS=(man-db bash-completion zsh fish sqlite3)
readonly CONFIG=/etc/inspectd/inspectd.toml STATE=/var/lib/inspectd
readonly JOURNAL=$STATE/journal/journal.sqlite
# Version of a package with the same programs, to be upgraded to.
readonly NEWER=99.0.0-1
# Files that systemd/install.sh of 0.1.0 put below /usr.
readonly FILES_OF_0_1_0=(bin/inspectd bin/inspectctl lib/inspectd/libonnxruntime.so lib/systemd/system/inspectd.service
    lib/sysusers.d/inspectd.conf lib/tmpfiles.d/inspectd.conf share/inspectd/bundles/demo/manifest.toml
    share/inspectd/bundles/demo/model.onnx share/doc/inspectd/inspectd.toml share/doc/inspectd/access.md
    share/doc/inspectd/page.md share/bash-completion/completions/inspectctl)
# Booting takes two seconds, loading the model one; longer on a busy machine.
readonly READY_SECONDS=120
began=$(date +%s.%N)
container='' leader=''

say() { # one line with the time since the line before it
    local now
    now=$(date +%s.%N)
    printf 'package_test: [%6.1f s] %s\n' "$(echo "$now $began" | awk '{ print $1 - $2 }')" "$*"
    began=$now
}

fail() {
    printf 'package_test: FAILED: %s\n' "$*" >&2
    exit 1
}

# expect TEXT EXPECTED ACTUAL
expect() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }

# contains TEXT PART WHOLE
contains() { [[ $3 == *"$2"* ]] || fail "$1: '$2' is not in: $3"; }

# soon TEXT COMMAND...: waits until the command succeeds.
soon() {
    local text=$1 end=$((SECONDS + READY_SECONDS))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "$text: not after $READY_SECONDS s"
        sleep 0.2
    done
}

# --- The root -------------------------------------------------------------------------------------------------------

# A minimal Debian 12 with systemd, from the mirror of debootstrap.
make_base() {
    [ ! -e "$BASE" ] || return 0
    rm -rf "$WORK/base"
    debootstrap --variant=minbase --include=systemd-sysv,dbus bookworm "$WORK/base" >"$WORK/debootstrap.log" 2>&1 ||
        fail "debootstrap: see $WORK/debootstrap.log"
    rm -f "$WORK"/base/var/cache/apt/archives/*.deb
    tar -C "$WORK/base" -cf "$BASE.part" .
    mv "$BASE.part" "$BASE"
    rm -rf "$WORK/base"
}

# A new root, with the packages in /root/packages and what apt fetched before.
new_root() {
    halt
    rm -rf "$ROOT"
    mkdir -p "$ROOT" "$ARCHIVES"
    tar -C "$ROOT" -xf "$BASE"
    # DNS only for apt; a container has its own.
    cp --dereference /etc/resolv.conf "$ROOT/etc/resolv.conf"
    mkdir "$ROOT/root/packages"
    cp "$PACKAGES"/*.deb "$ROOT/root/packages/"
    find "$ARCHIVES" -name '*.deb' -exec cp -l -t "$ROOT/var/cache/apt/archives" {} +
}

# other_version PACKAGE VERSION: a package with another version, in /root/packages.
other_version() {
    local tree=$WORK/other
    rm -rf "$tree"
    dpkg-deb --raw-extract "$PACKAGES/${1}_${VERSION}_$ARCHITECTURE.deb" "$tree"
    sed -i "s/^Version: .*/Version: $2/" "$tree/DEBIAN/control"
    # Not compressed, because it is used once.
    dpkg-deb --root-owner-group -Znone --build "$tree" "$ROOT$(deb "$1" "$2")" >/dev/null
    rm -rf "$tree"
}

# fetch PACKAGES...: lets apt fetch packages and their dependencies, with the network of this machine.
fetch() {
    in_chroot apt-get update -qq
    in_chroot apt-get install -qq --download-only "$@"
    find "$ROOT/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec cp -lf -t "$ARCHIVES" {} +
}

readonly ENVIRONMENT=(env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

in_chroot() { chroot "$ROOT" "${ENVIRONMENT[@]}" "$@" >"$WORK/apt.log" 2>&1 || fail "$*: $(tail -n 5 "$WORK/apt.log")"; }

# inside COMMAND...: runs a command in the booted container.
inside() { nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root --wd=/ "${ENVIRONMENT[@]}" "$@"; }

boot() {
    systemd-nspawn --quiet --boot --directory="$ROOT" --machine=inspectd-package-test --register=no --keep-unit \
        --private-network --resolv-conf=off --console=pipe </dev/null >"$WORK/boot.log" 2>&1 &
    container=$!
    soon "systemd in the container (see $WORK/boot.log)" booted
}

# Whether the container has started all its services. The first child of systemd-nspawn is not yet process 1.
booted() {
    kill -0 "$container" || fail "systemd-nspawn: $(tail -n 3 "$WORK/boot.log")"
    leader=$(pgrep --parent "$container" --exact systemd) && inside systemctl is-active multi-user.target
}

# Ends the container in order, as a machine that is shut down.
halt() {
    [ -n "$container" ] || return 0
    leader=$(pgrep --parent "$container" || true)
    # SIGRTMIN+4: the process 1 powers off.
    kill -s RTMIN+4 "$leader" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$container" 2>/dev/null || break
        sleep 0.1
    done
    # The container outlives systemd-nspawn.
    kill -KILL "$leader" "$container" 2>/dev/null || true
    wait "$container" 2>/dev/null || true
    container='' leader=''
}

# apt ARGUMENTS...: apt-get in the container, quiet; its output is in $WORK/apt.log.
apt() { inside apt-get -qq -y "$@" >"$WORK/apt.log" 2>&1; }

# installed PACKAGES...: apt must install them.
installed() { apt install "$@" || fail "apt install $*: $(tail -n 20 "$WORK/apt.log")"; }

# --- Steps ----------------------------------------------------------------------------------------------------------

# deb PACKAGE [VERSION]: path of a package in the container.
deb() { printf '/root/packages/%s_%s_%s.deb' "$1" "${2:-$VERSION}" "$ARCHITECTURE"; }

state_of_service() { inside systemctl show inspectd.service --property="$1" --value; }

running() { inside inspectctl status --json | jq -e '.state == "running"' >/dev/null; }

# The number of verdicts in the journal.
verdicts() { inside sqlite3 -readonly "$JOURNAL" 'SELECT count(*) FROM verdicts'; }

check_fresh_installation() {
    local message
    message=$(cat "$WORK/apt.log")
    contains "message of the installation" "systemctl enable --now inspectd" "$message"
    expect "owner and mode of $CONFIG" "640 root:inspectd" "$(inside stat -c '%a %U:%G' $CONFIG)"
    expect "owner and mode of /etc/inspectd/tls" "750 root:inspectd" "$(inside stat -c '%a %U:%G' /etc/inspectd/tls)"
    expect "owner and mode of $STATE" "750 inspectd:inspectd" "$(inside stat -c '%a %U:%G' $STATE)"
    expect "groups of the user" "inspectd render video" "$(inside id -nG inspectd | tr ' ' '\n' | sort | xargs)"
    expect "service" "inactive disabled" "$(state_of_service ActiveState) $(state_of_service UnitFileState)"
    say "nothing is started; user, folders and configuration exist"
}

# The configuration of the package is replaced by `inspectd init` without --force, one that was written is not.
check_init() {
    local found
    found=$(inside inspectd init --yes --simulator --bundle /usr/share/inspectd/bundles/demo 2>&1) ||
        fail "inspectd init: $found"
    contains "inspectd init" "written: $CONFIG" "$found"
    expect "owner and mode of $CONFIG" "640 root:inspectd" "$(inside stat -c '%a %U:%G' $CONFIG)"
    found=$(inside inspectd check 2>&1) || fail "inspectd check after inspectd init: $found"
    ! found=$(inside inspectd init --yes --simulator --bundle /usr/share/inspectd/bundles/demo 2>&1) ||
        fail "inspectd init has replaced a configuration that was written"
    contains "the second inspectd init" "exists; --force" "$found"
    # The other steps use that of the package. cp keeps owner and mode.
    inside cp /usr/share/inspectd/inspectd.toml $CONFIG
    say "inspectd init replaces the configuration of the package, and no other"
}

check_unit() {
    local found
    found=$(inside systemd-analyze verify /usr/lib/systemd/system/inspectd.service 2>&1) || fail "systemd-analyze: $found"
    # Keys of systemd 254, which that of Debian 12 ignores as the unit says.
    found=$(grep -vE "Unknown key '(RestartSteps|RestartMaxDelaySec)' in section" <<<"$found" || true)
    expect "systemd-analyze verify" "" "$found"
    found=$(inside inspectd check) || fail "inspectd check: $found"
    contains "inspectd check" "the configuration is valid" "$found"
    say "systemd-analyze verify, inspectd check"
}

check_service() {
    local lines
    inside systemctl enable --quiet --now inspectd || fail "start: $(inside journalctl -u inspectd -n 20 --no-pager)"
    running || fail "inspectctl status: $(inside inspectctl status)"
    expect "user of the process" inspectd "$(inside stat -c %U "/proc/$(state_of_service MainPID)")"
    say "enabled and started; inspectctl status shows a running line"
    lines=$(inside timeout 60 inspectctl watch --limit 5 --json)
    expect "verdicts of inspectctl watch" 5 "$(jq -s 'map(select(.sequence > 0 and .simulated)) | length' <<<"$lines")"
    contains "log" "inspectd" "$(inside journalctl -u inspectd -n 5 --no-pager)"
    say "inspectctl watch shows verdicts"
}

check_man_pages() {
    local page name count=0 warnings
    for page in $(inside dpkg -L "$@" | grep '^/usr/share/man/man./'); do
        name=${page##*/} name=${name%.gz}
        expect "man -w ${name%.*}" "$page" "$(inside man -w "${name##*.}" "${name%.*}")"
        warnings=$(inside env MANROFFSEQ= man --warnings --encoding=UTF-8 --troff-device=utf8 --ditroff --local-file "$page" 2>&1 >/dev/null)
        expect "warnings of man in $page" "" "$warnings"
        count=$((count + 1))
    done
    ((count > 5)) || fail "$count man pages in $*"
    contains "whatis" "configuration of inspectd" "$(inside whatis inspectd.toml)"
    say "$count man pages of $* are found and formatted without warnings"
}

check_completions() {
    local program sub found
    for program in inspectd:che:check inspectctl:sta:status mhkd:pred:predict inspectd-forward:sta:status \
        inspectd-plc:reg:registers inspectd-opcua:hash:hash-password; do
        IFS=: read -r program sub found <<<"$program"
        contains "completion of bash for $program" "$found" "$(inside bash -c '
            . /usr/share/bash-completion/bash_completion
            _completion_loader "$1"
            COMP_WORDS=("$1" "$2") COMP_CWORD=1 COMP_LINE="$1 $2" COMP_POINT=${#COMP_LINE}
            function=$(complete -p "$1" | sed "s/.* -F \([^ ]*\).*/\1/")
            $function "$1" "$2" "$1"
            echo "${COMPREPLY[@]}"' bash "$program" "$sub")"
        inside zsh -n "/usr/share/zsh/vendor-completions/_$program"
        expect "completion of zsh for $program" "_$program" \
            "$(inside zsh -f -c 'autoload -Uz compinit && compinit -u && echo $_comps[$1]' zsh "$program")"
        inside fish --no-execute "/usr/share/fish/vendor_completions.d/$program.fish"
        contains "completion of fish for $program" "$found" "$(inside fish -c "complete -C '$program $sub'")"
    done
    say "completions of all programs work in bash and fish, and are loaded by zsh"
}

check_trainer() {
    local folder=/var/tmp/trainer out
    inside install -d -o nobody "$folder"
    # As a user without rights, without any variable of this project.
    inside runuser -u nobody -- mhkd synth $folder/line --train 24 --validation 2 --good-test 2 --per-defect 1 >/dev/null
    out=$(inside runuser -u nobody -- mhkd fit $folder/line/line/train/good --out $folder/bundle 2>&1) ||
        fail "mhkd fit: $out"
    contains "mhkd fit" "24 photographs" "$out"
    say "mhkd fit makes a bundle from 24 rendered pictures"
    inside cp -r $folder/bundle $STATE/bundles/fitted
    inside env INSPECTD__MODEL__BUNDLE=$STATE/bundles/fitted inspectd check >/dev/null
    say "inspectd accepts the bundle"
}

# write FILE: standard input to a configuration in the container.
write() { inside install -o root -g inspectd -m 640 /dev/stdin "$1"; }

# The gateways work with the installed daemon and a minimal configuration.
check_gateways() {
    local records=/var/lib/inspectd-forward/records
    write /etc/inspectd/forward.toml <<TOML
[sinks.archive]
type = "files"
folder = "$records"
TOML
    write /etc/inspectd/plc.toml <<TOML
[stations.demo]
unit = 1
camera = "demo"
mode = "follow"
TOML
    write /etc/inspectd/opcua.toml <<TOML
[systems.demo]
camera = "demo"
[users.mes]
role = "viewer"
password_hash = "$(printf 'secret\n' | inside inspectd-opcua hash-password)"
TOML
    inside runuser -u inspectd -- inspectd-forward check >/dev/null || fail "inspectd-forward check"
    inside runuser -u inspectd -- inspectd-plc check >/dev/null || fail "inspectd-plc check"
    inside runuser -u inspectd -- inspectd-opcua check >/dev/null || fail "inspectd-opcua check"
    inside systemctl start inspectd-forward inspectd-plc inspectd-opcua || fail "start of the gateways"
    soon "records of inspectd-forward" inside sh -c "grep -q '\"camera_id\":\"demo\"' $records/*.jsonl"
    say "inspectd-forward writes verdicts to files"
    soon "inspectd-plc with the daemon" inside sh -c "inspectd-plc registers demo | grep -q DAEMON_CONNECTED"
    say "inspectd-plc serves registers"
    # Type=notify: the start has waited for its port.
    inside bash -c "</dev/tcp/127.0.0.1/4840" || fail "inspectd-opcua does not listen"
    say "inspectd-opcua listens"
    inside systemctl stop inspectd-forward inspectd-plc inspectd-opcua
}

# A change by the user, which the service accepts.
change_configuration() { inside sed -i 's/^fps = .*/fps = 4.0   # ours/' $CONFIG; }

check_upgrade() {
    local before count process
    change_configuration
    before=$(inside sha256sum $CONFIG) count=$(verdicts) process=$(state_of_service MainPID)
    installed "$(deb inspectd "$NEWER")"
    expect "version" "$NEWER" "$(inside dpkg-query -Wf '${Version}' inspectd)"
    soon "the service after the upgrade" running
    [ "$(state_of_service MainPID)" != "$process" ] || fail "the service was not restarted"
    expect "configuration" "$before" "$(inside sha256sum $CONFIG)"
    (($(verdicts) >= count)) || fail "$(verdicts) verdicts in the journal, $count before the upgrade"
    say "upgrade to $NEWER: restarted, the changed configuration and $count verdicts are kept, no question asked"
}

check_downgrade() {
    local process
    process=$(state_of_service MainPID)
    ! apt install --allow-downgrades "$(deb inspectd "$OLDER")" || fail "a downgrade was not refused"
    contains "message of the downgrade" "version $OLDER is older than version $NEWER" "$(cat "$WORK/apt.log")"
    contains "message of the downgrade" "INSPECTD_ALLOW_DOWNGRADE=yes" "$(cat "$WORK/apt.log")"
    expect "package" "install ok installed $NEWER" "$(inside dpkg-query -Wf '${Status} ${Version}' inspectd)"
    expect "process of the service" "$process" "$(state_of_service MainPID)"
    expect "findings of dpkg --audit" "" "$(inside dpkg --audit)"
    say "downgrade to $OLDER is refused with its reason; the service keeps running"
    inside env INSPECTD_ALLOW_DOWNGRADE=yes apt-get -qq -y install --allow-downgrades "$(deb inspectd "$VERSION")" \
        >"$WORK/apt.log" 2>&1 || fail "allowed downgrade: $(tail -n 20 "$WORK/apt.log")"
    soon "the service after the allowed downgrade" running
    say "downgrade with INSPECTD_ALLOW_DOWNGRADE=yes"
}

# The gateways share their preinst.
check_downgrade_of_gateway() {
    local package=inspectd-plc
    ! apt install --allow-downgrades "$(deb $package "$OLDER")" || fail "a downgrade of $package was not refused"
    contains "message of the downgrade" "$package: version $OLDER is older than version $VERSION" "$(cat "$WORK/apt.log")"
    expect "package" "install ok installed $VERSION" "$(inside dpkg-query -Wf '${Status} ${Version}' $package)"
    for package in inspectd-forward inspectd-plc inspectd-opcua; do
        inside cmp /var/lib/dpkg/info/{inspectd-plc,$package}.preinst || fail "$package has another preinst"
    done
    expect "findings of dpkg --audit" "" "$(inside dpkg --audit)"
    say "downgrade of inspectd-plc to $OLDER is refused with its reason"
}

# A gateway needs a daemon of its version or a newer one, and the daemon a library.
check_dependencies() {
    local package
    for package in inspectd-forward inspectd-plc inspectd-opcua; do
        contains "dependencies of $package" "inspectd (>= " "$(inside dpkg-query -Wf '${Depends}' $package)"
    done
    for package in inspectd inspectd-mhkd; do
        contains "dependencies of $package" "inspectd-onnxruntime (>= " "$(inside dpkg-query -Wf '${Depends}' $package)"
    done
    say "packages depend on versions of each other"
}

check_removal() {
    local before count
    before=$(inside sha256sum $CONFIG) count=$(verdicts)
    apt remove inspectd || fail "apt remove: $(cat "$WORK/apt.log")"
    expect "service" inactive "$(state_of_service ActiveState)"
    ! inside test -e /usr/bin/inspectd || fail "/usr/bin/inspectd was not removed"
    expect "configuration" "$before" "$(inside sha256sum $CONFIG)"
    (($(verdicts) >= count)) || fail "$(verdicts) verdicts in the journal, $count before the removal"
    say "remove: stopped; configuration and journal are kept"
    installed "$(deb inspectd)"
    expect "configuration" "$before" "$(inside sha256sum $CONFIG)"
    expect "service" enabled "$(state_of_service UnitFileState)"
    inside systemctl start inspectd
    expect "verdict with the lowest sequence" 1 "$(inside inspectctl verdicts --all --json | jq -s 'map(.sequence) | min')"
    say "reinstalled: enabled as before, with its configuration and its verdicts"
}

check_purge() {
    local left
    apt purge inspectd-forward inspectd-plc inspectd-opcua || fail "apt purge: $(cat "$WORK/apt.log")"
    contains "message of the purge" "/var/lib/inspectd-forward is kept" "$(cat "$WORK/apt.log")"
    inside rm -r /var/lib/inspectd-forward
    apt purge inspectd inspectd-mhkd inspectd-onnxruntime || fail "apt purge: $(cat "$WORK/apt.log")"
    contains "message of the purge" "$STATE is kept" "$(cat "$WORK/apt.log")"
    left=$(inside find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /root/packages -o -path $STATE \
        -o -path /var/tmp -o -path /var/cache/apt -o -path /var/log -o -path /tmp \) -prune -o \( -name '*inspectd*' -o -name '*mhkd*' \) -print)
    expect "files after the purge" "" "$left"
    inside test -s $JOURNAL || fail "$JOURNAL was removed"
    inside id inspectd >/dev/null || fail "the user was removed, but owns $STATE"
    say "purge: configuration and cache are removed, $STATE is kept and named"
}

# The layout of 0.1.0, as systemd/install.sh of that version left it, with a journal of schema version 1.
lay_out_0_1_0() {
    local name
    DESTDIR=$WORK/layout PREFIX=/usr systemd/install.sh >/dev/null
    for name in "${FILES_OF_0_1_0[@]}"; do
        install -D "$WORK/layout/usr/$name" "$ROOT/usr/$name"
    done
    install -D -m 640 "$WORK/layout$CONFIG" "$ROOT$CONFIG"
    rm -rf "$WORK/layout"
    inside systemd-sysusers inspectd.conf
    inside systemd-tmpfiles --create inspectd.conf
    inside install -d -o inspectd -g inspectd -m 700 $STATE/journal
    install -m 600 tests/data/journal-v1.sqlite "$ROOT$JOURNAL"
    inside chown inspectd:inspectd $JOURNAL
    change_configuration
    inside systemctl daemon-reload
    inside systemctl enable --quiet inspectd
}

check_takeover() {
    local before count name sequences
    before=$(inside sha256sum $CONFIG) count=$(verdicts)
    expect "schema of the journal before" 1 "$(inside sqlite3 -readonly $JOURNAL 'PRAGMA user_version')"
    sequences=$(inside sqlite3 -readonly $JOURNAL 'SELECT sequence FROM verdicts ORDER BY sequence')
    installed "$(deb inspectd)" "$(deb inspectd-onnxruntime)"
    for name in "${FILES_OF_0_1_0[@]}"; do
        inside dpkg -S "/usr/$name" >/dev/null || fail "/usr/$name belongs to no package"
    done
    expect "findings of dpkg --verify" "" "$(inside dpkg --verify inspectd inspectd-onnxruntime)"
    expect "configuration" "$before" "$(inside sha256sum $CONFIG)"
    expect "service" "inactive enabled" "$(state_of_service ActiveState) $(state_of_service UnitFileState)"
    say "the packages take over the ${#FILES_OF_0_1_0[@]} files of 0.1.0; its configuration is kept"
    inside systemctl start inspectd || fail "start: $(inside journalctl -u inspectd -n 20 --no-pager)"
    (($(inside sqlite3 -readonly $JOURNAL 'PRAGMA user_version') > 1)) || fail "the journal was not migrated"
    expect "verdicts of 0.1.0" "$sequences" \
        "$(inside inspectctl verdicts --all --json | jq -s '.[].sequence' | sort -n | head -n "$count")"
    say "its journal is migrated, and its $count verdicts are read by inspectctl"
}

# --- The test -------------------------------------------------------------------------------------------------------

[ $# -eq 0 ] || { printf 'package_test: no arguments are allowed\n' >&2 && exit 64; }
[ "$(id -u)" -eq 0 ] || fail "it must run as root"
for program in debootstrap systemd-nspawn nsenter jq; do
    command -v $program >/dev/null || fail "$program is not installed: run scripts/setup.sh packages"
done
mkdir -p "$WORK"
trap halt EXIT
ARCHITECTURE=$(dpkg --print-architecture)
for package in inspectd inspectd-onnxruntime inspectd-mhkd inspectd-forward inspectd-plc inspectd-opcua; do
    found=("$PACKAGES/${package}_"*"_$ARCHITECTURE.deb")
    [ -e "${found[0]}" ] || fail "$PACKAGES has no package $package: run scripts/packages.sh"
    VERSION=$(dpkg-deb -f "${found[0]}" Version)
done
(cd "$PACKAGES" && sha256sum --check --quiet SHA256SUMS) || fail "SHA256SUMS"
say "packages of version $VERSION, checked by SHA256SUMS"

make_base
say "a minimal Debian 12"
# The oldest version that the dependencies of the other packages permit, and older than the one under test.
readonly OLDER=${VERSION%-*}~0-1
new_root
other_version inspectd "$OLDER"
other_version inspectd "$NEWER"
other_version inspectd-plc "$OLDER"
say "packages of the versions $OLDER and $NEWER"
fetch "${TOOLS[@]}" "$(deb inspectd)" "$(deb inspectd-onnxruntime)" "$(deb inspectd-mhkd)"
say "dependencies are fetched"
boot
installed "${TOOLS[@]}"
say "booted by systemd-nspawn; tools of the test are installed"
installed "$(deb inspectd)" "$(deb inspectd-onnxruntime)"
say "inspectd and inspectd-onnxruntime are installed"
check_fresh_installation
check_init
check_unit
check_service
installed "$(deb inspectd-mhkd)" "$(deb inspectd-forward)" "$(deb inspectd-plc)" "$(deb inspectd-opcua)"
say "inspectd-mhkd, inspectd-forward, inspectd-plc and inspectd-opcua are installed"
check_dependencies
check_man_pages inspectd inspectd-mhkd inspectd-forward inspectd-plc inspectd-opcua
check_completions
check_trainer
check_gateways
check_upgrade
check_downgrade
check_downgrade_of_gateway
check_removal
check_purge

new_root
fetch sqlite3 "$(deb inspectd)" "$(deb inspectd-onnxruntime)"
boot
installed sqlite3
lay_out_0_1_0
say "another root, with the files and a journal of 0.1.0"
check_takeover
halt
rm -rf "$ROOT"
say "passed in $SECONDS s"
