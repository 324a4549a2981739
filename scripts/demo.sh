#!/usr/bin/env bash
# Runs the built daemon on rendered parts and shows its verdicts as they come, until Ctrl-C or for
# FRAMES parts; then stops it. `make demo` builds first.
#
#   [FRAMES=50] [INSPECTD_DEMO_PORT=50051] scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PORT=${INSPECTD_DEMO_PORT:-50051} FRAMES=${FRAMES:-}
readonly BUILT=${CARGO_TARGET_DIR:-target}/release
readonly OUT=target/demo
readonly LOG=$OUT/inspectd.log CONFIG=$OUT/inspectd.toml
# Loading and warming the model takes a second or two; a busy machine is given more.
readonly READY_SECONDS=60
export INSPECTD_SERVER=http://127.0.0.1:$PORT
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.tools/onnxruntime/libonnxruntime.so}

usage() {
    printf 'demo: %s\n' "$*" >&2
    exit 64
}

fail() {
    printf 'demo: %s; the end of %s:\n' "$*" "$LOG" >&2
    tail -n 20 "$LOG" >&2
    exit 1
}

# Parts are rendered as fast as they are judged. None is skipped; those before the watch are not seen.
write_config() {
    cat >"$CONFIG" <<TOML
# Written by scripts/demo.sh.
[server]
listen = "127.0.0.1:$PORT"
metrics_listen = "off"

[model]
bundle = "$PWD/models/demo"

[journal]
folder = "$PWD/$OUT/journal"

# A finer camera has less noise once resized, which the model would take for an anomaly.
[cameras.demo]
source = "simulator"
seed = 2026
defect_rate = 0.333
width = 256
height = 256
pace = "fast"
mode = "triggered"
queue = 1
TOML
}

# In a session of its own, so that Ctrl-C reaches the watch alone and the daemon outlives it.
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
        kill -0 "$daemon" 2>/dev/null || fail "the daemon ended"
        ((SECONDS < end)) || fail "the daemon is not ready after $READY_SECONDS s"
        sleep 0.1
    done
}

# In the background, so that a SIGTERM to this script alone ends the watch, too. A signal ends the first
# wait early; the second one is for the summary.
watch_line() {
    local arguments=(--summary --last-reject "$OUT/last_reject.png") watch status=0
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
    ((status == 0)) || fail "the watch ended with $status"
}

[[ -z $FRAMES || $FRAMES =~ ^[1-9][0-9]{0,8}$ ]] || usage "FRAMES=$FRAMES must be a number of parts, 1 or more"
if ! [[ $PORT =~ ^[1-9][0-9]{0,4}$ ]] || ((PORT > 65535)); then
    usage "INSPECTD_DEMO_PORT=$PORT must be a port"
fi
for program in inspectd inspectctl; do
    [ -x "$BUILT/$program" ] || usage "$BUILT/$program is not there: make demo builds it"
done
# Otherwise the watch would show somebody else's line.
! (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null ||
    usage "port $PORT is taken: choose another one with INSPECTD_DEMO_PORT"

mkdir -p "$OUT"
rm -rf "$OUT/journal"
write_config
start
wait_until_ready
watch_line
