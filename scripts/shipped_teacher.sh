#!/usr/bin/env bash
# Makes models/teachers/pdn_small.safetensors again: a PDN-S distilled from EfficientNet-Lite2 over photographs whose
# licences permit it (models/teachers/README.md) and rendered images. Takes about 20 minutes on two cores, and can be
# interrupted and started again.
#
#   scripts/shipped_teacher.sh WORK_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:?working folder is required}
package=lomiri-wallpapers-16.04
version=20.04.0-2
sha256=a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab
scripts/setup.sh runtime training
cargo build --release -p mhkd
export ORT_DYLIB_PATH=$PWD/.tools/onnxruntime/libonnxruntime.so
mhkd=$PWD/target/release/mhkd

mkdir -p "$work"
archive=${package}_${version}_all.deb
[ -f "$work/$archive" ] || (cd "$work" && apt-get download -qq "$package=$version")
echo "$sha256  $work/$archive" | sha256sum --check --quiet -
if [ ! -d "$work/pictures" ]; then
    rm -rf "$work/package" "$work/pictures.part"
    dpkg-deb -x "$work/$archive" "$work/package"
    mkdir "$work/pictures.part"
    # The photographs of the table in models/teachers/README.md.
    # shellcheck disable=SC2016 # The backticks are those of the table.
    sed -n 's/^| `\([^`]*\.jpg\)` .*/\1/p' models/teachers/README.md | while read -r picture; do
        cp "$work/package/usr/share/backgrounds/$picture" "$work/pictures.part/"
    done
    mv "$work/pictures.part" "$work/pictures"
fi
if [ ! -d "$work/images" ]; then
    rm -rf "$work/images.part"
    "$mhkd" teacher images "$work/pictures" --out "$work/images.part" --side 256 --crops 1500 --generated 700
    mv "$work/images.part" "$work/images"
fi
training=(--out "$work/teacher")
if [ -f "$work/teacher/settings.toml" ]; then
    training+=(--resume)
else
    training+=(--backbone efficientnet_lite2 --images "$work/images" --preset small --input-size 128 --batch 12
        --steps 600 --precision bf16 --learning-rate 5e-4 --statistics-images 500 --checkpoint-every 100)
fi
"$mhkd" teacher distill "${training[@]}"
"$mhkd" teacher half "$work/teacher/teacher.safetensors" --out models/teachers/pdn_small.safetensors
