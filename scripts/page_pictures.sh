#!/usr/bin/env bash
# Makes the pictures of docs/page.md: starts the built daemon on rendered parts and photographs its page with Chromium.
#
#   scripts/setup.sh runtime browser && cargo build --release && scripts/page_pictures.sh [FOLDER]   (default: docs)
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OUT=$(realpath "${1:-docs}") BUILT=$PWD/${CARGO_TARGET_DIR:-target}/release
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.tools/onnxruntime/libonnxruntime.so}
WORK=$(mktemp -d)
readonly WORK

camera() { # ID SEED DEFECT_RATE
    cat <<TOML
[cameras.$1]
source = "simulator"
seed = $2
defect_rate = $3
width = 320
height = 320
fps = 2
mode = "triggered"
queue = 8
TOML
}

{
    cat <<TOML
[server]
listen = "127.0.0.1:0"
metrics_listen = "off"
page_listen = "127.0.0.1:18080"
[model]
bundle = "$PWD/models/demo"
[journal]
folder = "$WORK/journal"
TOML
    camera left 2026 0.3
    camera right 7 0.1
    camera top 11 0.0
} >"$WORK/inspectd.toml"

"$BUILT/inspectd" --config "$WORK/inspectd.toml" >"$WORK/log" 2>&1 &
daemon=$!
trap 'kill -KILL $daemon 2>/dev/null || true; rm -rf "$WORK"' EXIT
until curl --silent --fail --output /dev/null http://127.0.0.1:18080/; do
    kill -0 $daemon || { cat "$WORK/log" >&2; exit 1; }
    sleep 0.2
done
sleep 40

picture() { # NAME PATH [MILLISECONDS]
    chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,800 \
        --user-data-dir="$WORK/profile" --virtual-time-budget="${3:-8000}" --screenshot="$OUT/page-$1.png" \
        "http://127.0.0.1:18080$2" >/dev/null 2>&1
}

call() { # METHOD JSON
    curl --silent --fail --header 'content-type: application/json' --data "$2" \
        "http://127.0.0.1:18080/api/InspectionService/$1"
}

rejected=$(call ListVerdicts '{"decisions":["DECISION_REJECT"],"page_size":1}' | grep -o '"sequence":[0-9]*' | head -1 | cut -d: -f2)
picture overview '/?theme=light'
picture overview-dark '/?theme=dark'
picture verdicts '/verdicts?theme=light'
picture verdict "/verdicts/$rejected?theme=light"
picture wall '/wall?heat=0.5'
# The daemon stands still: the page must say so.
(sleep 4 && kill -STOP $daemon) &
picture stale '/?theme=light' 16000
kill -CONT $daemon
