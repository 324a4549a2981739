#!/usr/bin/env bash
# Creates models/demo again: a teacher pretrained on generated images and a student trained on the simulated
# line. It contains neither photographs nor third-party weights. Takes about 15 minutes on two cores.
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
$mhkd teacher pretrain --out "$work/teacher" --lesson labels --preset tiny --precision f32 \
    --steps 700 --batch 8 --pictures 1000
$mhkd train --out "$work/run" --dataset "$work/data/line" --teacher "$work/teacher/teacher.safetensors" \
    --precision f32 --steps 2000 --learning-rate 5e-4 --location-normalisation true
$mhkd export "$work/run" --name demo-line --out models/demo
$mhkd evaluate models/demo --dataset "$work/data/line" --json "$work/evaluation.json"
