#!/usr/bin/env bash
# Measures training and inference on a machine with an NVIDIA GPU that has no internet and no Rust toolchain.
#
# On the machine with the builds, collect everything in a new folder:
#   scripts/gpu.sh prepare FOLDER --dataset DIR --category NAME [--teacher FILE] [--small]
# --small leaves out libtorch and inspectd, for a GPU machine with PyTorch of the same version.
#
# Copy FOLDER to the GPU machine, and there:
#   FOLDER/gpu.sh run [--minutes N] [--cpu-rehearsal] FOLDER OUT
# --cpu-rehearsal runs the same stages with few steps on the CPU, to test the script without a GPU.
#
# The stages are parity of CPU and GPU, speed of training, a training run, and speed of inference. Results are in a new
# folder OUT/run-TIME; summary.md lists them. Requires Python 3.9.
#
# CUDA builds of the libraries: LIBTORCH_CUDA and ONNXRUNTIME_CUDA name their folders; otherwise they are those of the
# Python packages torch and onnxruntime-gpu, if installed. PYTHON names the interpreter (default: python3).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly here
readonly PYTHON=${PYTHON:-python3}

say() { printf 'gpu: %s\n' "$*"; }

usage() {
    [ $# -eq 0 ] || printf 'gpu: %s\n' "$*" >&2
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" >&2
    exit 64
}

require() { # FILE HOW_TO_GET_IT
    [ -e "$1" ] || {
        printf 'gpu: %s does not exist: %s\n' "$1" "$2" >&2
        exit 1
    }
}

prepare() {
    local folder='' dataset='' category='' teacher='' small=
    while [ $# -gt 0 ]; do
        case $1 in
        --dataset | --category | --teacher)
            [ $# -ge 2 ] || usage "$1 needs a value"
            printf -v "${1#--}" '%s' "$2"
            shift 2
            ;;
        --small) small=yes && shift ;;
        -*) usage "unknown option $1" ;;
        *)
            [ -z "$folder" ] || usage "unexpected argument $1"
            folder=$1 && shift
            ;;
        esac
    done
    [ -n "$folder" ] || usage "FOLDER is required"
    [ -n "$dataset" ] || usage "--dataset is required"
    [ -n "$category" ] || usage "--category is required"
    [ -z "$(ls -A "$folder" 2>/dev/null)" ] || usage "$folder is not empty"

    local root=$here/.. built libtorch runtime source=$dataset/$category
    built=${CARGO_TARGET_DIR:-$root/target}/release
    libtorch=${LIBTORCH:-$root/.tools/libtorch}/lib
    runtime=$(dirname "${ORT_DYLIB_PATH:-$root/.tools/onnxruntime/libonnxruntime.so}")
    require "$built/mhkd" "build it with: cargo build --release -p mhkd"
    [ -n "$small" ] || require "$built/inspectd" "build it with: cargo build --release (or use --small)"
    require "$runtime/libonnxruntime.so" "install it with: scripts/setup.sh runtime"
    require "$libtorch/libtorch_cpu.so" "install it with: scripts/setup.sh training"
    # DIR may be the folder of the category itself.
    [ -d "$source" ] || source=$dataset
    require "$source" "--dataset must be a dataset or one of its categories"
    [ -z "$teacher" ] || require "$teacher" "--teacher must be a teacher file"

    mkdir -p "$folder"/{bin,lib/onnxruntime,data}
    cp "$built/mhkd" "$folder/bin/"
    cp "$here/gpu.sh" "$here/gpu_report.py" "$root/training/bench_pytorch.py" "$folder/"
    cp -a "$runtime"/libonnxruntime*.so* "$folder/lib/onnxruntime/"
    cp -rL "$root/models/demo" "$folder/demo"
    cp -rL "$source" "$folder/data/$category"
    # The layout of VisA has its split next to the categories.
    [ ! -d "$dataset/split_csv" ] || cp -rL "$dataset/split_csv" "$folder/data/"
    [ -z "$teacher" ] || cp "$teacher" "$folder/teacher.safetensors"
    if [ -z "$small" ]; then
        # inspectd also needs the OpenCV packages of the system. No stage uses it.
        cp "$built/inspectd" "$folder/bin/"
        mkdir "$folder/lib/libtorch"
        cp -a "$libtorch"/*.so* "$folder/lib/libtorch/"
    fi
    printf '%s\n' "$category" >"$folder/category"
    cat "$libtorch/../build-version" >"$folder/torch-version" 2>/dev/null || true
    say "$folder: $(du -sh "$folder" | cut -f1); data $(du -sh "$folder/data" | cut -f1)," \
        "libraries $(du -sh "$folder/lib" | cut -f1)"
    [ -z "$small" ] || say "without libtorch: the GPU machine needs PyTorch $(cat "$folder/torch-version")"
}

# Folder of the Python package $1, if it is installed. The package is not imported.
package() {
    "$PYTHON" -c 'import importlib.util as u, sys
spec = u.find_spec(sys.argv[1])
print(list(spec.submodule_search_locations)[0] if spec else "")' "$1" 2>/dev/null || true
}

# The first of the folders that contains FILE.
containing() { # FILE FOLDERS...
    local file=$1 folder
    shift
    for folder in "$@"; do
        if [ -n "$folder" ] && [ -e "$folder/$file" ]; then
            (cd "$folder" && pwd)
            return
        fi
    done
}

run() {
    local minutes=15 rehearsal=() device=cuda:0 arguments=()
    while [ $# -gt 0 ]; do
        case $1 in
        --minutes)
            [ $# -ge 2 ] || usage "--minutes needs a value"
            [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || usage "--minutes $2: must be a whole number of minutes"
            minutes=$2 && shift 2
            ;;
        --cpu-rehearsal) rehearsal=(--rehearsal) device=cpu && shift ;;
        -*) usage "unknown option $1" ;;
        *) arguments+=("$1") && shift ;;
        esac
    done
    [ ${#arguments[@]} -eq 2 ] || usage "FOLDER and OUT are required"
    local folder out=${arguments[1]} torch onnx libraries='' runtime cuda_runtime
    require "${arguments[0]}/bin/mhkd" "FOLDER must be made by: scripts/gpu.sh prepare"
    command -v "$PYTHON" >/dev/null || usage "$PYTHON is not installed"
    folder=$(cd "${arguments[0]}" && pwd)
    torch=$(package torch)
    onnx=$(package onnxruntime)

    local no_cuda_torch='libtorch with CUDA was not found: install PyTorch or set LIBTORCH_CUDA'
    local no_cuda_runtime='ONNX Runtime with CUDA was not found: install onnxruntime-gpu or set ONNXRUNTIME_CUDA'
    if [ "$device" = cuda:0 ]; then
        libraries=$(containing libtorch_cuda.so "${LIBTORCH_CUDA:-}" "${LIBTORCH_CUDA:+$LIBTORCH_CUDA/lib}" "${torch:+$torch/lib}")
        [ -z "$libraries" ] || no_cuda_torch=
        cuda_runtime=$(containing libonnxruntime_providers_cuda.so "${ONNXRUNTIME_CUDA:-}" \
            "${ONNXRUNTIME_CUDA:+$ONNXRUNTIME_CUDA/lib}" "${onnx:+$onnx/capi}")
        [ -z "$cuda_runtime" ] || no_cuda_runtime=
    fi
    [ -n "$libraries" ] || libraries=$(containing libtorch_cpu.so "$folder/lib/libtorch" "${torch:+$torch/lib}")
    [ -n "$libraries" ] || usage "libtorch_cpu.so was not found: prepare without --small, or install PyTorch"
    runtime=$(find "${cuda_runtime:-$folder/lib/onnxruntime}" -maxdepth 1 -name 'libonnxruntime.so*' | sort | head -n 1)
    [ -n "$runtime" ] || usage "libonnxruntime.so was not found in ${cuda_runtime:-$folder/lib/onnxruntime}"
    # cuDNN and cuBLAS of the Python packages, which both libraries need.
    local path=$libraries part
    for part in "${torch:-none}"/../nvidia/*/lib; do
        [ ! -d "$part" ] || path+=:$part
    done
    path+=${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    exec "$PYTHON" -B "$here/gpu_report.py" run --folder "$folder" --out "$out" --minutes "$minutes" --device "$device" \
        "${rehearsal[@]}" --library-path "$path" --onnxruntime "$runtime" --no-cuda-torch "$no_cuda_torch" \
        --no-cuda-runtime "$no_cuda_runtime" --bench-pytorch "$folder/bench_pytorch.py"
}

case ${1:-} in
prepare | run) "$@" ;;
*) usage ;;
esac
