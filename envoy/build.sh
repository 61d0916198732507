#!/usr/bin/env bash
# Builds the module, or the one that traps for the tests, or lints it, or only installs what that takes:
# envoy/build.sh [build | provoke | clippy | tools]
#
# The standard library of wasm32-wasip1 is looked for in this order, and the script says which one
# it took: what is installed already, what rustup can fetch, Debian's packages. What the build for
# the module needs is set for that one command, so native builds and editors never see it: neither
# a toolchain file nor a cargo configuration is written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p target
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

task=${1:-build}
target=wasm32-wasip1
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
module=target/$target/release/cognito_authorizer.wasm

case "$(uname -s)" in
Linux | Darwin) ;;
*) die "unsupported platform $(uname -s): build on Linux or macOS (WSL and containers will do)" ;;
esac
case "$task" in
build | provoke | clippy | tools) ;;
*) die "unknown task '$task'; expected build, provoke, clippy or tools" ;;
esac

# recent COMMAND: is that cargo or rustc there, and new enough for this crate?
recent() {
  local found
  found=$("$1" --version 2>/dev/null | cut -d' ' -f2) && [ -n "$found" ] &&
    printf '%s\n' "$oldest" "$found" | sort -CV
}

has_target() {
  local libraries
  libraries=$(rustc --print target-libdir --target "$target" 2>/dev/null) &&
    compgen -G "$libraries/libstd-*.rlib" >/dev/null
}

# Debian has the source of the standard library, not the library for this target, and the source
# fits only the compiler of the same release: hence Debian's own rustc, never rustup's.
debian_rustc=/usr/bin/rustc
has_debian() {
  recent "$debian_rustc" && recent cargo && [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ] &&
    [ -f /usr/lib/wasm32-wasi/libc.a ]
}

# rustup's compilers bring a linker for the module, Debian's does not.
linker() {
  local lld
  for lld in "$(rustc --print sysroot 2>/dev/null)"/lib/rustlib/*/bin/rust-lld \
    "/usr/lib/llvm-$(llvm_release)/bin/wasm-ld"; do
    [ -x "$lld" ] && printf '%s' "$lld" && return
  done
  return 1
}

# A linker must not be older than the compiler whose objects it reads.
llvm_release() {
  "$debian_rustc" -vV 2>/dev/null | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'
}

rustup_fetches() {
  command -v rustup >/dev/null && recent cargo && recent rustc || return 1
  local fetch=(rustup target add "$target")
  # A firewall that drops packets must not stall the build; macOS has no timeout(1).
  if command -v timeout >/dev/null; then fetch=(timeout 120 "${fetch[@]}"); fi
  echo "$target: asking rustup for its standard library"
  if RUSTUP_MAX_RETRIES=1 "${fetch[@]}" >target/rustup.log 2>&1; then
    has_target && return
    # The rustc in use need not be the one that rustup looks after.
    echo "$target: rustup fetched it, but not for $(command -v rustc)"
  else
    echo "$target: rustup could not fetch it: $(grep -m 1 '^error' target/rustup.log || echo timed out)"
  fi
  return 1
}

install_debian() {
  is_debian || die "no standard library for $target: install Rust $oldest or newer with rustup, then run: rustup target add $target"
  local packages=(rustc-web rust-web-src rust-web-clippy wasi-libc)
  recent cargo || packages+=(cargo-web)
  install_packages "no standard library for $target yet" "${packages[@]}"
  # A shell remembers where commands were not; cargo may have just arrived.
  hash -r
  has_debian || die "Debian's Rust packages are too old for this crate, which needs Rust $oldest"
}

if recent cargo && recent rustc && has_target; then
  origin="installed with $(rustc --version | cut -d' ' -f1,2)"
elif has_debian; then
  origin=debian
elif rustup_fetches; then
  origin="fetched by rustup for $(rustc --version | cut -d' ' -f1,2)"
else
  install_debian
  origin=debian
fi

# RUSTFLAGS would replace the flags below, and are meant for native builds anyway.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# The artefact has one place, wherever this user keeps other build output.
export CARGO_TARGET_DIR=$PWD/target
options=(--release --target "$target")
clippy=(cargo clippy)
flags=()
if [ "$origin" = debian ]; then
  origin="built from Debian's rust-web-src with its $("$debian_rustc" --version | cut -d' ' -f1,2)"
  options+=('-Zbuild-std=std,panic_abort')
  clippy=(/usr/bin/cargo-clippy clippy)
  # -Z options on a stable compiler; only the standard library itself makes use of them.
  export RUSTC_BOOTSTRAP=1 RUSTC=$debian_rustc
  linker >/dev/null || install_packages "no linker for $target yet" "lld-$(llvm_release)"
  flags+=(-L native=/usr/lib/wasm32-wasi)
  if [ "$task" = clippy ] && [ ! -x "${clippy[0]}" ]; then
    install_packages "Debian's rustc needs its own clippy" rust-web-clippy
  fi
fi
echo "$target: standard library $origin"

# The linker that leaves out what the filter does not need, and the one that it starts.
WASM_LD=$(linker || command -v wasm-ld) || die "no linker for $target: install LLVM's wasm-ld"
case "$task" in
build | tools) command -v wasm-opt >/dev/null || install_packages "no wasm-opt yet" binaryen ;;
esac
[ "$task" != tools ] || exit 0
export WASM_LD WASM_OPT=wasm-opt CARGO_TARGET_WASM32_WASIP1_LINKER=$PWD/envoy/linker.sh

# Messages of panics name source files. Without the places where this user keeps them, everybody who
# builds this commit with the same compiler gets the same bytes.
cargo fetch --quiet
flags+=("--remap-path-prefix=$PWD=.")
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  flags+=("--remap-path-prefix=$crates=/crates")
done
# A product of two 64-bit words is a call of a function in WebAssembly, one of two 32-bit words an instruction.
flags+=('--cfg=cpubits="32"')
# What is smaller than a call of it is inlined, with `opt-level = "z"` too, and nothing much larger with 2.
flags+=(-Cllvm-args=-inline-threshold=40)
# This form alone takes paths with spaces.
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' "${flags[@]}")
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}

if [ "$task" = clippy ]; then
  "${clippy[@]}" --manifest-path src/host/abi/Cargo.toml "${options[@]}" -- -D warnings
  exec "${clippy[@]}" --lib "${options[@]}" -- -D warnings
fi
if [ "$task" = provoke ]; then
  # Unoptimised and with overflow checks: quick to build, and under its own name. The shipped
  # module stays as it is.
  export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_STRIP=true WASM_OPT=true
  cargo build --lib --features provoke "${options[@]:1}"
  mkdir -p target/provoke
  exec cp "target/$target/debug/cognito_authorizer.wasm" target/provoke/
fi
cargo build --lib "${options[@]}"
echo "$module: $(wc -c <"$module" | tr -d ' ') bytes"
