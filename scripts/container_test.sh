#!/usr/bin/env bash
# Builds the image and runs it under the limits of packaging/container/compose.yaml, with Podman (docs/containers.md). Prints
# one line for each step, with its time in seconds.
#
#   cargo build --release && sudo scripts/container_test.sh [--compile]
#
# Without --compile, the image gets the programs of target/release; with it, its build stage compiles them, with the Rust
# toolchain of this machine. The base image is made by debootstrap, so that no image registry is needed. Images are kept
# in target/container for the next run. Containers run in a separate network, without access to others.
#
# Exit codes: 0 passed, 1 a step failed, 64 wrong arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly WORK=$PWD/target/container
readonly IMAGE=localhost/inspectd BASE=localhost/debian:12-slim RUST=localhost/rust:local
readonly COMPOSE=packaging/container/compose.yaml PROJECT=inspectd-test
readonly CTL=target/release/inspectctl
readonly LISTEN=127.0.0.1:50051 SECOND_LISTEN=127.0.0.1:50052
readonly USER_ID=10001
# The limits of compose.yaml.
readonly MEMORY_LIMIT=$((1 << 30)) STOP_SECONDS=30
readonly PACKAGES=(podman runc buildah debootstrap jq iproute2)
# That of Debian 12 connects a line to two networks.
readonly COMPOSE_WHEEL=podman-compose==1.6.0
began=$(date +%s.%N)

say() { # one line with the time since the line before it
    local now
    now=$(date +%s.%N)
    printf 'container_test: [%6.1f s] %s\n' "$(echo "$now $began" | awk '{ print $1 - $2 }')" "$*"
    began=$now
}

fail() {
    printf 'container_test: FAILED: %s\n' "$*" >&2
    exit 1
}

# Without systemd, Podman cannot run health checks by timers and complains; here they are run by hand.
engine() {
    podman "$@" 2>>"$WORK/podman.log" || { tail -n 5 "$WORK/podman.log" >&2; fail "podman $1"; }
}

# The settings of Podman: all its files are in WORK. runc, because it supports all versions of cgroups.
configure() {
    mkdir -p "$WORK"
    cat >"$WORK/storage.conf" <<TOML
[storage]
driver = "overlay"
graphroot = "$WORK/store"
runroot = "$WORK/run"
TOML
    cat >"$WORK/containers.conf" <<TOML
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
TOML
    export CONTAINERS_STORAGE_CONF=$WORK/storage.conf CONTAINERS_CONF=$WORK/containers.conf BUILDAH_ISOLATION=chroot
}

prerequisites() {
    local missing=() package
    for package in "${PACKAGES[@]}"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || fail "Debian packages are missing: apt-get install --no-install-recommends ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || fail "the limits of a container need root"
    [ -x "$CTL" ] || fail "$CTL does not exist: cargo build --release"
    # With one core, the quota of one core would change nothing.
    [ "$(nproc)" -ge 2 ] || fail "two cores are needed"
    if [ "$(cat .tools/podman-compose.version 2>/dev/null)" != "$COMPOSE_WHEEL" ]; then
        rm -rf .tools/podman-compose
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
            --target .tools/podman-compose "$COMPOSE_WHEEL" 2>"$WORK/pip.log" || fail "see $WORK/pip.log"
        printf '%s' "$COMPOSE_WHEEL" >.tools/podman-compose.version
    fi
    say "prerequisites: $(podman --version), $(runc --version | head -n 1), $COMPOSE_WHEEL"
}

base_image() {
    if ! podman image exists "$BASE"; then
        rm -rf "$WORK/debian"
        debootstrap --variant=minbase bookworm "$WORK/debian" >"$WORK/debootstrap.log" || fail "see $WORK/debootstrap.log"
        tar -C "$WORK/debian" -c . | podman import --quiet - "$BASE" >/dev/null
        rm -rf "$WORK/debian"
    fi
    say "base image: Debian $(engine run --rm --no-healthcheck --network none "$BASE" cat /etc/debian_version)"
}

# The base image with the Rust toolchain and the certificates of this machine, in place of rust:slim-bookworm.
rust_image() {
    local container
    podman image exists "$RUST" || {
        container=$(buildah from --pull-never "$BASE")
        buildah run "$container" -- sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends \
            ca-certificates gcc libc6-dev >/dev/null 2>&1"
        buildah add --quiet "$container" "$(rustc --print sysroot)" /usr/local
        buildah add --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
        buildah config --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "$container"
        buildah commit --quiet --rm "$container" "$RUST" >/dev/null
    }
    say "image of the build stage: $(engine run --rm --no-healthcheck --network none "$RUST" rustc --version)"
}

build_image() { # prebuilt|build
    local arguments=(--build-arg "DEBIAN=$BASE" --build-arg "RUST=$RUST" --build-arg "PROGRAMS=$1")
    arguments+=(--build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)")
    arguments+=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)")
    # The format of Docker has health checks, that of OCI does not.
    podman build --format docker --layers --file packaging/container/Dockerfile --tag "$IMAGE" "${arguments[@]}" . \
        >"$WORK/build.log" 2>&1 || { tail -n 30 "$WORK/build.log" >&2; fail "the image cannot be built: $WORK/build.log"; }
    say "image: $(($(podman image inspect --format '{{.Size}}' "$IMAGE") >> 20)) MiB, programs: $1"
}

# Every library of both programs is in the image; no compiler, no package lists.
inspect_image() {
    local missing
    missing=$(engine run --rm --no-healthcheck --network none --entrypoint /bin/sh "$IMAGE" -c \
        'ldd /usr/bin/inspectd /usr/bin/inspectctl /usr/lib/inspectd/libonnxruntime.so | grep "not found"; command -v gcc; :')
    [ -z "$missing" ] || fail "the image lacks libraries, or has a compiler: $missing"
    [ "$(podman image inspect --format '{{.Config.User}}' "$IMAGE")" = "$USER_ID:$USER_ID" ] || fail "the user of the image"
    [ "$(podman image inspect --format '{{.Config.StopSignal}}' "$IMAGE")" = SIGTERM ] || fail "the stop signal of the image"
    podman image inspect --format '{{.HealthCheck}}' "$IMAGE" | grep -q /usr/lib/inspectd/healthcheck || fail "no health check"
    say "image: libraries complete, user $USER_ID, health check and stop signal set"
}

compose() {
    # Podman raises the limit of processes of each user, which not every machine allows.
    PYTHONPATH=.tools/podman-compose python3 -B -m podman_compose --project-name "$PROJECT" --file "$COMPOSE" \
        --podman-run-args="--ulimit nproc=4096:4096" "$@" >>"$WORK/compose.log" 2>&1
}

remove() {
    local name
    for name in "${PROJECT}_demo_1" "${PROJECT}_bottling_1" "$PROJECT-direct"; do
        podman rm --force --time 5 "$name" >/dev/null 2>&1 || true
    done
    podman pod rm --force "pod_$PROJECT" >/dev/null 2>&1 || true
    podman volume rm --force "${PROJECT}_demo" "${PROJECT}_bottling" "$PROJECT-direct" >/dev/null 2>&1 || true
}

process_of() { podman inspect --format '{{.State.Pid}}' "$1"; }

# cgroup CONTROLLER CONTAINER: its folder, for version 1 and 2.
cgroup() {
    local process path
    process=$(process_of "$2")
    path=$(sed -n "s/^[0-9]*:$1:\(.*\)/\1/p" "/proc/$process/cgroup")
    if [ -n "$path" ]; then
        printf '/sys/fs/cgroup/%s%s' "$1" "$path"
    else
        printf '/sys/fs/cgroup%s' "$(sed -n 's/^0:://p' "/proc/$process/cgroup")"
    fi
}

# first FILE...: the content of the first file that exists.
first() {
    local file
    for file in "$@"; do
        [ ! -e "$file" ] || { cat "$file" && return; }
    done
    fail "none of the files exists: $*"
}

threads_of() { sed -n 's/^Threads:\s*//p' "/proc/$(process_of "$1")/status"; }

wait_healthy() { # CONTAINER
    local end=$((SECONDS + 60))
    until podman healthcheck run "$1" >"$WORK/health.log" 2>&1; do
        podman container inspect --format '{{.State.Running}}' "$1" | grep -q true || {
            podman logs --tail 20 "$1" >&2
            fail "$1 has ended"
        }
        ((SECONDS < end)) || fail "$1 is not healthy after 60 s: $(cat "$WORK/health.log")"
        sleep 0.2
    done
}

wait_running() { # ADDRESS: until the line has a state after the start
    local end=$((SECONDS + 60))
    until "$CTL" --server "http://$1" status --json 2>/dev/null | jq -e '.state != "starting"' >/dev/null; do
        ((SECONDS < end)) || fail "$1 does not run after 60 s"
        sleep 0.2
    done
}

# watch ADDRESS COUNT: verdicts as lines of JSON, read by the client of this machine.
watch() { timeout 60 "$CTL" --server "http://$1" watch --json --limit "$2"; }

check_privileges() { # CONTAINER
    local status
    status=/proc/$(process_of "$1")/status
    grep -q "^Uid:\s*$USER_ID\s*$USER_ID\s*$USER_ID\s*$USER_ID" "$status" || fail "$1 does not run as $USER_ID"
    [ "$(grep -c '^Cap\(Inh\|Prm\|Eff\|Bnd\|Amb\):\s*0000000000000000$' "$status")" = 5 ] || fail "$1 has capabilities"
    grep -q '^NoNewPrivs:\s*1' "$status" || fail "$1 may gain privileges"
    grep -q '^Seccomp:\s*2' "$status" || fail "$1 has no filter of system calls"
    ! podman exec "$1" sh -c 'echo >/usr/bin/inspectd || echo >/etc/inspectd/x || echo >/x' 2>/dev/null ||
        fail "the root file system of $1 can be written"
    say "$1: user $USER_ID, no capabilities, no new privileges, seccomp, read-only root"
}

check_limits() { # CONTAINER
    local quota limit peak
    quota=$(first "$(cgroup cpu "$1")/cpu.max" "$(cgroup cpu "$1")/cpu.cfs_quota_us")
    [[ $quota == 100000* ]] || fail "the quota of $1 is $quota"
    limit=$(first "$(cgroup memory "$1")/memory.max" "$(cgroup memory "$1")/memory.limit_in_bytes")
    [ "$limit" = "$MEMORY_LIMIT" ] || fail "the memory limit of $1 is $limit"
    peak=$(first "$(cgroup memory "$1")/memory.peak" "$(cgroup memory "$1")/memory.max_usage_in_bytes")
    ((peak < MEMORY_LIMIT / 2)) || fail "$1 used $((peak >> 20)) MiB"
    say "$1: quota 1 CPU, $(threads_of "$1") threads, peak $((peak >> 20)) of $((MEMORY_LIMIT >> 20)) MiB"
}

# stop CONTAINER: in time, with exit code 0.
stop() {
    local started=$SECONDS code
    engine stop --time "$STOP_SECONDS" "$1" >/dev/null
    code=$(podman inspect --format '{{.State.ExitCode}}' "$1")
    [ "$code" = 0 ] || fail "$1 ended with $code"
    ((SECONDS - started < STOP_SECONDS)) || fail "$1 did not stop on SIGTERM"
    say "$1: stopped on SIGTERM with exit code 0"
}

# Both lines of the compose file.
test_compose() {
    local decisions fault last first
    rm -f "$WORK/compose.log" "$WORK/podman.log"
    INSPECTD_IMAGE=$IMAGE compose up --detach --no-build || fail "see $WORK/compose.log"
    say "compose: two lines started"
    wait_healthy "${PROJECT}_demo_1"
    wait_healthy "${PROJECT}_bottling_1"
    say "compose: both lines are healthy"
    check_privileges "${PROJECT}_demo_1"
    check_privileges "${PROJECT}_bottling_1"
    watch "$LISTEN" 10 >"$WORK/demo.jsonl" || fail "no verdicts from $LISTEN"
    decisions=$(jq -r .verdict.decision "$WORK/demo.jsonl" | sort | uniq -c | xargs)
    [[ $decisions =~ ^[0-9]+\ (pass|review|reject)(\ [0-9]+\ (review|reject))*$ ]] || fail "decisions: $decisions"
    say "demo: 10 verdicts read from outside: $decisions"
    "$CTL" --server "http://$LISTEN" recipe activate mx24 >/dev/null || fail "the recipe cannot be activated"
    say "demo: recipe mx24 is active"
    "$CTL" --server "http://$SECOND_LISTEN" verdicts --json --limit 1 >"$WORK/bottling.jsonl" || fail "no verdicts"
    fault=$(jq -r '(.verdict // .) | "\(.decision) \(.fault.reason)"' "$WORK/bottling.jsonl")
    [ "$fault" = "fault camera_lost" ] || fail "a camera that does not exist: $fault"
    say "bottling: without its camera, $fault"
    check_limits "${PROJECT}_demo_1"
    check_limits "${PROJECT}_bottling_1"
    last=$("$CTL" --server "http://$LISTEN" status --json | jq .sequence)
    stop "${PROJECT}_demo_1"
    engine start "${PROJECT}_demo_1" >/dev/null
    wait_healthy "${PROJECT}_demo_1"
    wait_running "$LISTEN"
    watch "$LISTEN" 1 >"$WORK/restarted.jsonl"
    first=$(jq .verdict.sequence "$WORK/restarted.jsonl")
    ((first > last)) || fail "after the restart, the sequence is $first, and was $last before"
    [ "$(jq -r .verdict.recipe.id "$WORK/restarted.jsonl")" = mx24 ] || fail "the recipe is not active after the restart"
    say "demo: after a restart, the journal continues with sequence $first after $last, and the recipe is active"
    stop "${PROJECT}_demo_1"
    stop "${PROJECT}_bottling_1"
}

# The settings of test_direct: a capture process, which shares memory with the daemon, and a line without pauses.
direct_settings() {
    mkdir -p "$WORK/direct"
    cat >"$WORK/direct/inspectd.toml" <<TOML
[server]
listen = "$LISTEN"
[model]
bundle = "/usr/share/inspectd/bundles/demo"
[journal]
folder = "/var/lib/inspectd/journal"
[cameras.belt]
source = "simulator"
width = 256
height = 256
prerender = 20
pace = "fast"
mode = "triggered"
[cameras.pipeline]
source = "gstreamer"
pipeline = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=BGR,width=256,height=256,framerate=10/1 ! appsink"
mode = "free-running"
TOML
}

# start_direct CPUS [arguments of podman]: HOME is unset, and /dev/shm cannot be used.
start_direct() {
    local cpus=$1
    shift
    engine run --detach --passwd=false --name "$PROJECT-direct" --network host --cpus "$cpus" --memory 1g --cap-drop all \
        --security-opt no-new-privileges --pids-limit 128 --tmpfs /dev/shm:ro,size=4k,mode=0000 \
        --tmpfs /tmp:size=64m,mode=1777 --volume "$PROJECT-direct:/var/lib/inspectd" --volume "$WORK/direct:/etc/inspectd:ro" \
        --entrypoint '["/usr/bin/env", "--unset=HOME", "/usr/bin/inspectd"]' "$@" "$IMAGE" >/dev/null
    wait_healthy "$PROJECT-direct"
    wait_running "$LISTEN"
}

# The share of one CPU that a container uses in five seconds, in percent.
cpu_percent() {
    local folder before after
    folder=$(cgroup cpuacct "$PROJECT-direct")
    usage() { if [ -e "$folder/cpuacct.usage" ]; then cat "$folder/cpuacct.usage"; else
        awk '/^usage_usec/ { print $2 * 1000 }' "$folder/cpu.stat"; fi; }
    before=$(usage)
    sleep 5
    after=$(usage)
    echo $(((after - before) / 50000000))
}

captured() { # frames by camera
    "$CTL" --server "http://$LISTEN" status --json |
        jq -r '[.cameras[] | "\(.id) \(.frames.captured)"] | sort | join(", ")'
}

test_direct() {
    local one two used changed cameras process end
    direct_settings
    # The root file system could be written here: what the daemon writes outside its folders would be detected.
    start_direct 1 --read-only=false
    process=$(process_of "$PROJECT-direct")
    ! tr '\0' '\n' <"/proc/$process/environ" | grep -q '^HOME=' || fail "HOME is set"
    end=$((SECONDS + 60))
    until cameras=$(captured) && [[ $cameras =~ belt\ [0-9]{2,}.*pipeline\ [0-9]{2,} ]]; do
        ((SECONDS < end)) || fail "frames of the cameras after 60 s: $cameras"
        sleep 0.5
    done
    say "direct: HOME unset, no /dev/shm, frames captured: $cameras"
    changed=$(podman diff "$PROJECT-direct" | grep -v -e ' /run$' -e ' /etc$' -e ' /dev' || true)
    [ -z "$changed" ] || fail "written outside of the volume: $changed"
    say "direct: with a writable root, no file is written outside of the volume and the folders in memory"
    used=$(cpu_percent)
    ((used <= 110)) || fail "with a quota of one CPU, $used % were used"
    one=$(threads_of "$PROJECT-direct")
    stop "$PROJECT-direct"
    engine rm "$PROJECT-direct" >/dev/null
    start_direct 2 --read-only --read-only-tmpfs=false
    two=$(threads_of "$PROJECT-direct")
    ((two > one)) || fail "the thread pool ignores the quota: $one threads with one CPU, $two with two"
    say "direct: $one threads with a quota of 1 CPU ($used % used), $two with 2"
    stop "$PROJECT-direct"
}

inside() {
    trap remove EXIT
    remove
    ip link set lo up
    say "network of its own"
    test_compose
    test_direct
    remove
    trap - EXIT
}

programs=prebuilt
for argument in "$@"; do
    case $argument in
    --compile) programs=build ;;
    --inside) ;;
    *) printf 'container_test: unknown argument %s\n' "$argument" >&2 && exit 64 ;;
    esac
done
configure
if [ "${1:-}" = --inside ]; then
    inside
    exit
fi
prerequisites
base_image
[ "$programs" = prebuilt ] || rust_image
build_image "$programs"
inspect_image
unshare --net "$0" --inside
printf 'container_test: passed\n'
