# What each command does is in the README. Everything they make is under target/.

root := $(CURDIR)
# One place for all output, so that `make clean` finds it.
export CARGO_TARGET_DIR := $(root)/target
export PYTHONDONTWRITEBYTECODE := 1

# For demo and tests. ENVOY=/path tries another Envoy, PORT=number has the demo listen there.
export COGNITO_AUTHORIZER_WASM := $(root)/target/wasm32-wasip1/release/cognito_authorizer.wasm
export MOTO_SERVER := $(root)/target/venv/bin/moto_server
ENVOY ?= $(root)/target/venv/bin/envoy
export ENVOY
export PORT

.PHONY: build demo run test lint clean venv bench bench-growth image dist test-matrix test-formats

build:
	@envoy/build.sh

demo: build venv
	@target/venv/bin/python envoy/demo/demo.py

run: build venv
	@target/venv/bin/python envoy/demo/demo.py run

test: build venv
	cargo test --features cli

# ROUNDS=5 DURATION=10 (seconds of load) make it longer, TOKENS=100000 the growth shorter.
bench: build venv
	@tests/bench/bench.sh bench

bench-growth: build venv
	@tests/bench/bench.sh growth

lint:
	cargo fmt --check
	cargo clippy --all-targets --features cli -- -D warnings
	@envoy/build.sh clippy
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

clean:
	rm -rf target

# Envoy and the Cognito emulator, in a Python environment of their own.
venv:
	@envoy/demo/venv.sh

# The module as an OCI image, for Istio and Envoy Gateway.
image: build
	@python3 envoy/image/build.py $(COGNITO_AUTHORIZER_WASM) target/cognito-authorizer.oci.tar

# A release: module, image, bill of materials, licences and checksums.
dist: build target/tools/bin/cargo-cyclonedx
	@python3 envoy/dist.py

# The end-to-end tests on every supported line of Envoy.
test-matrix: build venv
	@tests/matrix.sh

# What operators copy, held against promtool and published schemas. Needs Node.js.
test-formats:
	@tests/deploy/formats/check.sh

# Rotation, outages, floods and updates at random: two minutes of them, and 20,000 random kids,
# 10,000 connections, 160,000 streams that are reset.
# CHAOS_SEED=number throws the dice of a run again, which printed it.
.PHONY: chaos soak provoke
chaos: build venv
	CHAOS=full cargo test --test chaos

# Ten minutes of everything at an even rate; MINUTES=60 for an hour. Needs /proc.
soak: build venv
	SOAK=$(or $(MINUTES),10) cargo test --test chaos soak -- --nocapture

# The module that traps on request, which tests of what follows a trap run.
provoke:
	@envoy/build.sh provoke

# Licences, duplicates, sources and build scripts of the module; advisories where they can be had.
.PHONY: deny
deny: target/tools/bin/cargo-deny
	@tests/deny.sh

# The same tokens before the filter, jwt_authn, aws-jwt-verify and jsonwebtoken. Needs Node.js.
# DIFFERENTIAL_TOKENS=number asks about more, DIFFERENTIAL_SEED throws the dice of a run again.
.PHONY: differential
differential: build venv
	@tests/differential/run.sh

# Real servers and frameworks do what the filter decided about. UPSTREAMS_SEED throws the dice again.
.PHONY: test-upstreams
test-upstreams: build venv
	@tests/upstreams/upstreams.sh

test test-matrix: provoke

# Cargo's own tools, of the versions that the targets above and below were written for.
cyclonedx := 0.5.9
deny := 0.20.2
fuzz := 0.13.2
mutants := 27.1.0
target/tools/bin/cargo-%:
	cargo install --quiet --locked --root target/tools --target-dir target/tools/build cargo-$*@$($*)
	@rm -rf target/tools/build

# SECONDS=60 is for each target; FUZZ_TARGET=name runs one. Needs a nightly compiler.
SECONDS ?= 60
.PHONY: fuzz fuzz-keep
fuzz: target/tools/bin/cargo-fuzz
	@tests/fuzz/fuzz.sh run $(SECONDS) $(FUZZ_TARGET)

# Takes what the targets have learnt, made small, into the corpus that the tests replay.
fuzz-keep: target/tools/bin/cargo-fuzz
	@tests/fuzz/fuzz.sh keep

# Some test must fail for every operator, guard or result that is changed in the core.
# FILE=src/verify.rs does one part of it, JOBS=number so many mutants at a time.
.PHONY: mutants
mutants: target/tools/bin/cargo-mutants
	@PATH="$(root)/target/tools/bin:$$PATH" python3 tests/mutants/mutants.py $(FILE)
