# The project's commands; `make` without a target lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint advisories cargo-deny bench measure scale endurance pages fuzz simulate torture mutations \
    manual packages package-test newcomer container-test supply-chain reproducible release clean

# An installed cargo-deny is used; otherwise this version is built into .tools/ (three minutes).
CARGO_DENY_VERSION := 0.20.2
export PATH := $(PATH):$(CURDIR)/.tools/cargo-deny/bin

# Settings of `make bench`; each round runs mhkd and then PyTorch.
BENCH_PRESETS ?= medium small
BENCH_PRECISIONS ?= f32 bf16
BENCH_STEPS ?= 5
BENCH_ROUNDS ?= 2

# The bundle of `make measure`, and further arguments of `inspectd bench`.
BUNDLE ?= models/demo
MEASURE ?=

# Arguments of `make scale`: --full, --quick, names of curves.
SCALE ?=

# Duration of `make pages` with open pages and without, minutes.
MINUTES ?= 10

# Schedules of `make simulate`; INSPECTD_SIMULATE_FIRST is the first of them.
SEEDS ?= 100000

# Ids of `make mutations`, or numbers of items as in 12.4. Unset: all.
MUTATIONS ?=

# Folders of pictures for `make newcomer`: good parts, and parts to judge. Unset: rendered ones.
PHOTOGRAPHS ?=
TRIAL ?=
RENDERED := target/newcomer-pictures

# Duration of each target of `make fuzz`, seconds.
FUZZ_SECONDS ?= 600

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Fetch prerequisites: Debian packages, ONNX Runtime, libtorch, Python packages of the tests
	scripts/setup.sh

demo: ## Run the daemon on rendered parts and print its verdicts (FRAMES=n: stop after n parts)
	scripts/setup.sh runtime
	cargo build --release
	scripts/demo.sh

# Continues after a failure, so that the last line counts all tests. Cargo counts a skipped test as passed; each
# skipped test adds a line to the file INSPECTD_SKIP_LOG (crates/test-support). There are more test threads than
# cores, because the daemon's tests wait for timeouts more than they compute.
test: setup ## Run all tests (INSPECTD_ALLOW_SKIPS=1: skip those whose prerequisites are missing)
	@mkdir -p target; rm -f target/skipped.log; touch target/skipped.log; status=0; \
	INSPECTD_SKIP_LOG=$(CURDIR)/target/skipped.log RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(($$(nproc) + 2))} \
	    cargo test --workspace --no-fail-fast 2>&1 | tee target/test.log || status=$$?; \
	if [ -s target/skipped.log ]; then echo; sort target/skipped.log; fi; \
	awk 'FILENAME ~ /skipped/ { early += 1; next } \
	    /^test result:/ { passed += $$4; failed += $$6; skipped += $$8 } \
	    END { printf "\n%d passed, %d failed, %d skipped\n", passed - early, failed, skipped + early }' \
	    target/skipped.log target/test.log; \
	exit $$status

lint: setup cargo-deny ## Check format, lints, documentation, the manual, and licences and sources of dependencies
	scripts/check_modules.py
	scripts/mutations.py --check
	scripts/check_rust_version.py
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps
	scripts/manual.sh
	cargo deny --workspace check --hide-inclusion-graph bans licenses sources
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh systemd/*.sh clients/csharp/*.sh packaging/container/healthcheck .ci/run; \
	else echo "lint: shellcheck is not installed; scripts were not checked"; fi

advisories: cargo-deny ## Check dependencies for known vulnerabilities (clones RustSec's database)
	cargo deny --workspace check advisories

# Without optimisation: it runs for one second and builds in half the time.
cargo-deny:
	@command -v cargo-deny >/dev/null || CARGO_PROFILE_DEV_DEBUG=false cargo install cargo-deny --quiet --locked \
	    --debug --version $(CARGO_DENY_VERSION) --root .tools/cargo-deny

bench: ## Compare the time of a training step of mhkd with PyTorch on this machine
	scripts/setup.sh training bench
	cargo build --release -p mhkd
	@mkdir -p target/bench; rm -f target/bench/{mhkd,pytorch}.jsonl; \
	for round in $$(seq $(BENCH_ROUNDS)); do \
	for preset in $(BENCH_PRESETS); do for precision in $(BENCH_PRECISIONS); do \
	    echo "bench: round $$round of $(BENCH_ROUNDS), $$preset $$precision" >&2; \
	    run="--preset $$preset --precision $$precision --steps $(BENCH_STEPS)"; \
	    cargo run --quiet --release -p mhkd -- bench train $$run --json >>target/bench/mhkd.jsonl; \
	    PYTHONPATH=.tools/pytorch python3 training/bench_pytorch.py $$run >>target/bench/pytorch.jsonl; \
	done; done; done
	@python3 training/bench_pytorch.py --table target/bench/mhkd.jsonl target/bench/pytorch.jsonl

simulate: setup ## Run random schedules of the pipeline on a simulated clock and check its invariants (SEEDS=n)
	INSPECTD_SIMULATE_SEEDS=$(SEEDS) cargo test --release -p inspectd --lib -- pipeline::simulation --nocapture

torture: setup ## Fail and hang every file call of the daemon in turn (an hour)
	cargo build --workspace --bins
	INSPECTD_TEST_TORTURE=1 INSPECTD_TEST_KILLS=200 RUST_TEST_THREADS=1 \
	    cargo test --workspace --test daemon -- torture --nocapture

mutations: setup ## Put known faults back, one at a time, and require that a test fails (some hours; MUTATIONS=ids)
	scripts/mutations.py $(MUTATIONS)

measure: ## Compare the daemon with a bare ONNX Runtime loop and a plain Python pipeline
	scripts/setup.sh runtime baseline
	cargo build --release
	ORT_DYLIB_PATH=$${ORT_DYLIB_PATH:-.tools/onnxruntime/libonnxruntime.so} \
	    target/release/inspectd bench --bundle $(BUNDLE) $(MEASURE)
	PYTHONPATH=.tools/baseline python3 examples/python/baseline.py --bundle $(BUNDLE) --frames 60

scale: ## Measure how cost grows with cameras, clients, image size, journal and dataset (20 minutes; SCALE=--full: more)
	scripts/setup.sh runtime training
	cargo build --release
	scripts/scale.py $(SCALE)

endurance: ## Run the frames of four hours through the daemon and check its memory
	scripts/setup.sh runtime
	cargo build --release
	scripts/endurance.py

pages: ## Measure what open pages cost the line, and the first picture on a slow connection (MINUTES=n)
	scripts/setup.sh runtime browser
	cargo build --release
	scripts/page_load.py --minutes $(MINUTES)
	scripts/page_speed.py

fuzz: ## Run the fuzz targets on a nightly toolchain (FUZZ_SECONDS=n per target)
	scripts/setup.sh runtime
	scripts/fuzz.sh $(FUZZ_SECONDS)

manual: ## Build the manual as HTML into target/manual, and check its links
	scripts/manual.sh

packages: ## Build the Debian packages into target/packages (docs/packages.md)
	scripts/setup.sh runtime training packages
	scripts/packages.sh

package-test: packages ## Install, upgrade and remove the packages in a clean Debian 12 (root)
	scripts/package_test.sh

newcomer: packages ## Type the commands of docs/first-line.md in a clean Debian 12 (root; PHOTOGRAPHS=folder TRIAL=folder)
	@[ -n "$(PHOTOGRAPHS)" ] || { rm -rf $(RENDERED); ORT_DYLIB_PATH=$(CURDIR)/.tools/onnxruntime/libonnxruntime.so \
	    target/release/mhkd synth $(RENDERED) --train 50 --validation 2 --good-test 8 --per-defect 1 >/dev/null; }
	scripts/newcomer.py --packages target/packages --transcript target/newcomer.md \
	    --photographs $(or $(PHOTOGRAPHS),$(RENDERED)/line/train/good) --trial $(or $(TRIAL),$(RENDERED)/line/test/good)

container-test: ## Build the image and run it under the limits of compose.yaml (root; docs/containers.md)
	scripts/setup.sh runtime
	cargo build --release
	scripts/container_test.sh

supply-chain: ## Collect the licences of all that is shipped, and write an SBOM for each program (docs/supply-chain.md)
	scripts/setup.sh runtime training
	cargo build --release --workspace
	scripts/supply_chain.sh

reproducible: ## Build the release programs twice and compare them byte by byte (half an hour)
	scripts/setup.sh runtime
	scripts/reproducible.sh

release: ## Make all files of a release in target/release-files, from a clean checkout (docs/releasing.md)
	scripts/setup.sh runtime training packages checks clients
	scripts/release.sh

clean: ## Remove build outputs (fetched prerequisites stay in .tools/)
	cargo clean
