# What each command does is in README.md and .github/CONTRIBUTING.md. Everything they make is under target/.

root := $(CURDIR)
# One place for all output, so that `make clean` finds it.
export CARGO_TARGET_DIR := $(root)/target
export PYTHONDONTWRITEBYTECODE := 1

# For demo and tests. ENVOY=/path tries another Envoy; PORT=number has the demo listen there,
# PAGE_PORT=number its page; BROWSER=none opens no browser.
export COGNITO_AUTHORIZER_WASM := $(root)/target/wasm32-wasip1/release/cognito_authorizer.wasm
export MOTO_SERVER := $(root)/target/venv/bin/moto_server
ENVOY ?= $(root)/target/venv/bin/envoy
export ENVOY
export PORT
export PAGE_PORT

.PHONY: build demo run test lint clean venv bench bench-growth image dist test-matrix test-formats help

build: ## Builds the module.
	@envoy/build.sh

# Envoy is fetched while the module is built.
demo: ## Real sign-ins, then requests to a real Envoy, each answer checked.
	@$(MAKE) --no-print-directory --jobs=2 build venv
	@target/venv/bin/python envoy/demo/demo.py

run: ## The same, left running, with a page to play with.
	@$(MAKE) --no-print-directory --jobs=2 build venv
	@target/venv/bin/python envoy/demo/demo.py run

# The suites are compiled while the modules are: what all need is installed before.
test: ## Every test, from unit to end-to-end in a real Envoy.
	@envoy/build.sh tools
	@$(MAKE) --no-print-directory --jobs=4 build venv suites provoke
	@tests/suites.sh run

.PHONY: suites
suites: ## Compiles what `make test` runs.
	@tests/suites.sh compile

# What needs no module and no Envoy, but for the long ones.
.PHONY: quick
quick: ## The core's tests without an Envoy, under a minute.
	cargo test --lib --test core -- --skip signatures::

# For Envoys whose build is yours: envoy/NATIVE.md. Linux only.
.PHONY: native test-native
native: ## The same filter as a dynamic module of Envoy.
	@envoy/native.sh

# ENVOY=/path tries another Envoy; TESTS=name runs those tests alone.
test-native: native venv ## The end-to-end tests with the dynamic module.
	@tests/native.sh $(TESTS)

# Needs a nightly compiler with Miri. Time and chance are the machine's; the alarm's thread outlives the tests.
.PHONY: miri
miri: ## The one crate with `unsafe`, under Miri.
	MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-ignore-leaks' cargo +nightly miri test --locked \
		--manifest-path src/native/Cargo.toml -p cognito-authorizer-abi --target-dir $(CARGO_TARGET_DIR)/miri

# ROUNDS=5 DURATION=10 (seconds of load) make it longer, ROWS=warm,keep measures these rows alone,
# TOKENS=100000 makes the growth shorter.
bench: build native venv ## Side by side with jwt_authn.
	@tests/bench/bench.sh bench

bench-growth: build native venv ## What grows with pools, rules, tokens and streams.
	@tests/bench/bench.sh growth

lint: ## Formatting, clippy for all targets, documentation.
	cargo fmt --all --check
	cargo fmt --manifest-path src/native/Cargo.toml --all --check
	cargo clippy --all-targets --features cli,promtool,mesh -- -D warnings
	@envoy/build.sh clippy
	cargo clippy --manifest-path src/native/Cargo.toml --workspace --all-targets --locked \
		--target-dir $(CARGO_TARGET_DIR)/native -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

clean: ## Removes target/.
	rm -rf target

venv: ## Envoy and the Cognito emulator, in a Python environment of their own.
	@envoy/demo/venv.sh

image: build ## The module as an OCI image, for Istio and Envoy Gateway.
	@python3 envoy/image/build.py $(COGNITO_AUTHORIZER_WASM) target/cognito-authorizer.oci.tar

dist: build venv target/tools/bin/cargo-cyclonedx ## A release: module, images, desk tool, schema, bill of materials, sums.
	@python3 envoy/dist.py

test-matrix: build venv ## The end-to-end tests on every supported line of Envoy.
	@tests/matrix.sh

# Each alert is made true in a real Envoy; the rest is held against published schemas. Needs Node.js.
test-formats: build venv ## What operators copy, held against promtool and published schemas.
	@tests/product/deploy/formats/check.sh

# Rotation, outages, floods and updates at random: two minutes of them, and 20,000 random kids,
# 10,000 connections, 160,000 streams that are reset.
# CHAOS_SEED=number throws the dice of a run again, which printed it; CHAOS=short is a minute and a half.
CHAOS ?= full
.PHONY: chaos soak provoke
chaos: build venv ## Rotation, outages, floods and updates at random.
	CHAOS=$(CHAOS) cargo test --features cli --test chaos

# Ten minutes of everything at an even rate; MINUTES=60 for an hour. Needs /proc.
soak: build venv ## Ten minutes of mixed load, with memory and CPU watched.
	SOAK=$(or $(MINUTES),10) cargo test --test chaos soak -- --nocapture

.PHONY: costs
costs: build venv ## What an attack costs a real Envoy, in processor time.
	cargo test --test costs -- --test-threads=1 --nocapture

provoke: ## The module that traps on request, for tests of what follows a trap.
	@envoy/build.sh provoke

.PHONY: deny
deny: target/tools/bin/cargo-deny ## Licences, duplicates, sources, build scripts and advisories of the module.
	@tests/deny.sh

# The same tokens before the filter, jwt_authn, aws-jwt-verify and jsonwebtoken. Needs Node.js.
# DIFFERENTIAL_TOKENS=number asks about more, DIFFERENTIAL_SEED throws the dice of a run again.
.PHONY: differential
differential: build venv ## The same tokens before four verifiers.
	@tests/differential/run.sh

# Real servers and frameworks do what the filter decided about. UPSTREAMS_SEED throws the dice again.
.PHONY: test-upstreams
test-upstreams: build venv ## Real servers and frameworks do what was decided about.
	@tests/upstreams/upstreams.sh

# Official SDKs find their way from a refusal to a tool's answer, as envoy/MCP.md says.
.PHONY: test-mcp
test-mcp: build venv ## MCP clients sign in at Cognito and call a server behind Envoy.
	@tests/mcp/mcp.sh

# The demo's page, and envoy/BROWSER.md with Amplify. Needs Debian's Chromium, or CHROMIUM=/path.
.PHONY: test-browser
test-browser: build venv ## A real browser signs in, calls across origins, opens sockets and pages.
	@tests/browser/browser.sh

# istiod and Envoy Gateway, of the versions under tests/mesh. Needs Go, and builds for many minutes once.
# MESH=istio or MESH=gateway asks one of them.
.PHONY: test-mesh
test-mesh: build venv ## A real istiod and a real Envoy Gateway read what stands under envoy/.
	@tests/mesh/mesh.sh $(MESH)

test-matrix test-formats: provoke

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
fuzz: target/tools/bin/cargo-fuzz ## Every fuzz target, for a minute each.
	@tests/fuzz/fuzz.sh run $(SECONDS) $(FUZZ_TARGET)

fuzz-keep: target/tools/bin/cargo-fuzz ## Takes what they have learnt into the corpus that the tests replay.
	@tests/fuzz/fuzz.sh keep

# Some test must fail for every operator, guard or result that is changed in the core.
# FILE=src/verify.rs does one part of it, JOBS=number so many mutants at a time.
.PHONY: mutants
mutants: target/tools/bin/cargo-mutants ## A test must fail for every change to the core.
	@PATH="$(root)/target/tools/bin:$$PATH" python3 tests/mutants/mutants.py $(FILE)

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
