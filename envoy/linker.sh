#!/usr/bin/env bash
# The linker of the module: WASM_LD, without the exports that the filter has no use for, and
# WASM_OPT over the result.
#
# An Envoy calls every callback that a module exports, on every request, and the SDK defines all of
# them; rustc asks the linker to export whatever a dependency marks as a C symbol, and has no option
# against it. What is not exported is not linked either: nothing has to be rewritten afterwards.
# tests/product/module.rs holds the built module to this list.
set -euo pipefail

needed() {
  case "$1" in
  # How the host finds its way in: constructors, the version of the interface, memory for arguments.
  _initialize | proxy_abi_version_* | proxy_on_memory_allocate) ;;
  # The life of a plugin: its configuration, its timer, its bell, and the answers to its calls.
  proxy_on_vm_start | proxy_on_configure | proxy_on_tick | proxy_on_queue_ready | \
    proxy_on_http_call_response) ;;
  # The life of a request. Body and trailers of a request without a verdict are held back in their
  # callbacks; without `delete` every request that has ended would stay in memory.
  proxy_on_context_create | proxy_on_request_headers | proxy_on_request_body | \
    proxy_on_request_trailers | proxy_on_delete) ;;
  *) return 1 ;;
  esac
}

arguments=() module=
while [ $# -gt 0 ]; do
  if [ "$1" = --export ] && ! needed "$2"; then
    shift 2
    continue
  fi
  if [ "$1" = -o ]; then module=$2; fi
  arguments+=("$1")
  shift
done
"$WASM_LD" "${arguments[@]}"

# LLVM leaves a sixth of the code that Binaryen finds superfluous, first for speed and then twice more
# for size, which takes two parts in a hundred and no time. Functions are numbered by how often they
# are called: a call of the first 128 takes a byte less. The features are those which
# rustc uses for this target.
"$WASM_OPT" -O3 -Oz -Oz --reorder-functions --strip-debug --strip-producers --enable-bulk-memory --enable-sign-ext \
  --enable-mutable-globals --enable-nontrapping-float-to-int --enable-multivalue \
  --enable-reference-types "$module" -o "$module"

# The module says which version it is: a custom section `version`, as wasm-tools writes and reads it.
name=version
# Lengths below 128 are one byte each; 0 is the number of custom sections.
[ $((1 + ${#name} + ${#CARGO_PKG_VERSION})) -lt 128 ]
# shellcheck disable=SC2059 # the escape is the format
byte() { printf "\\x$(printf %02x "$1")"; }
{
  byte 0
  byte $((1 + ${#name} + ${#CARGO_PKG_VERSION}))
  byte ${#name}
  printf '%s%s' "$name" "$CARGO_PKG_VERSION"
} >>"$module"
