#!/usr/bin/env bash
# Makes models/demo again: MHKD on EfficientNet-Lite0 together with FRE, fitted to rendered parts of the simulated line. It
# contains no photographs. Takes about 20 minutes on two cores; it can be interrupted and started again.
#
#   scripts/demo_model.sh WORK_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:?working folder is required}
scripts/setup.sh runtime training
cargo build --release -p mhkd
export ORT_DYLIB_PATH=$PWD/.tools/onnxruntime/libonnxruntime.so
mhkd=target/release/mhkd

[ -d "$work/data" ] || $mhkd synth "$work/data"
[ -f "$work/bundle/manifest.toml" ] || $mhkd fit "$work/data/line" --out "$work/bundle" --name demo-line \
    --method mhkd+fre --backbone efficientnet_lite0 --fre-rank 8 --size 256x256 --steps 2500 --precision f32
$mhkd evaluate "$work/bundle" --dataset "$work/data/line" --json "$work/evaluation.json"
# README.md and the licence of the backbone stay in the folder.
cp "$work/bundle/model.onnx" "$work/bundle/manifest.toml" models/demo/
