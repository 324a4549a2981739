#!/usr/bin/env bash
# Runs the built daemon on rendered parts and prints its verdicts, until Ctrl-C or for FRAMES parts; then stops the
# daemon. `make demo` builds first.
#
#   [FRAMES=50] [INSPECTD_DEMO_PORT=50051] [INSPECTD_DEMO_PAGE_PORT=8080] scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PORT=${INSPECTD_DEMO_PORT:-50051} PAGE_PORT=${INSPECTD_DEMO_PAGE_PORT:-8080} FRAMES=${FRAMES:-}
readonly BUILT=${CARGO_TARGET_DIR:-target}/release
readonly OUT=target/demo
readonly LOG=$OUT/inspectd.log CONFIG=$OUT/inspectd.toml
# Loading and warming the model takes one to two seconds; longer on a busy machine.
readonly READY_SECONDS=60
export INSPECTD_SERVER=http://127.0.0.1:$PORT
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.tools/onnxruntime/libonnxruntime.so}

usage() {
    printf 'demo: %s\n' "$*" >&2
    exit 64
}

fail() {
    printf 'demo: %s; last lines of %s:\n' "$*" "$LOG" >&2
    tail -n 20 "$LOG" >&2
    exit 1
}

# Rendering takes longer than judging, so the parts are rendered at the start and repeated, as fast as they are judged. None is
# skipped; verdicts before `watch` connects are not printed.
write_config() {
    cat >"$CONFIG" <<TOML
# Written by scripts/demo.sh.
[server]
listen = "127.0.0.1:$PORT"
metrics_listen = "off"
page_listen = "127.0.0.1:$PAGE_PORT"

[model]
bundle = "$PWD/models/demo"

[journal]
folder = "$PWD/$OUT/journal"

# At a higher resolution, resizing reduces the noise, which the model would report as an anomaly.
[cameras.demo]
source = "simulator"
seed = 2026
defect_rate = 0.1
width = 256
height = 256
prerender = 200
pace = "fast"
mode = "triggered"
queue = 1
TOML
}

# In a separate session, so that Ctrl-C reaches only `watch`, and the daemon is stopped after it.
start() {
    setsid "$BUILT/inspectd" --config "$CONFIG" >"$LOG" 2>&1 &
    daemon=$!
    trap stop EXIT
}

stop() {
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" || true
}

wait_until_ready() {
    local end=$((SECONDS + READY_SECONDS))
    until "$BUILT/inspectctl" status --json 2>/dev/null | grep -q '"state":"running"'; do
        kill -0 "$daemon" 2>/dev/null || fail "the daemon exited"
        ((SECONDS < end)) || fail "the daemon is not ready after $READY_SECONDS s"
        sleep 0.1
    done
}

# In the background, so that a SIGTERM to this script also stops `watch`. A signal interrupts the first wait; the
# second one waits for the summary.
watch_line() {
    local arguments=(--summary --pass-rate 4 --last-reject "$OUT/last_reject.png") watch status=0
    [ -z "$FRAMES" ] || arguments+=(--limit "$FRAMES")
    "$BUILT/inspectctl" watch "${arguments[@]}" &
    watch=$!
    trap 'kill -TERM $watch 2>/dev/null || true' INT TERM
    wait "$watch" || status=$?
    if ((status > 128)); then
        status=0
        wait "$watch" || status=$?
    fi
    trap - INT TERM
    ((status == 0)) || fail "inspectctl watch exited with $status"
}

[[ -z $FRAMES || $FRAMES =~ ^[1-9][0-9]{0,8}$ ]] || usage "FRAMES=$FRAMES must be a number of parts, 1 or more"
check_port() { # VARIABLE PORT
    if ! [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || (($2 > 65535)); then
        usage "$1=$2 must be a port"
    fi
    # Otherwise `watch` would print the verdicts of another daemon.
    ! (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null || usage "port $2 is in use: choose another one with $1"
}

check_port INSPECTD_DEMO_PORT "$PORT"
check_port INSPECTD_DEMO_PAGE_PORT "$PAGE_PORT"
for program in inspectd inspectctl; do
    [ -x "$BUILT/$program" ] || usage "$BUILT/$program does not exist: make demo builds it"
done
mkdir -p "$OUT"
rm -rf "$OUT/journal"
write_config
start
wait_until_ready
printf 'The page: http://127.0.0.1:%s\n' "$PAGE_PORT"
watch_line
