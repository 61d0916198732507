#!/usr/bin/env bash
# The end-to-end tests with the dynamic module in the place of the Wasm module: tests/native.sh [NAME...]
# Those that do not apply to it stand in tests/e2e/native.txt, each with its reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# In a folder of their own: what the two workspaces build in common differs in its features.
cargo test --manifest-path src/native/Cargo.toml --locked --workspace \
  --target-dir "${CARGO_TARGET_DIR:-$PWD/target}/native"
# libtest knows no list in a file: all names are asked for, and what stands in the file is taken out.
names=$(HOST=native cargo test --test e2e -- --list --format terse | sed -n 's/: test$//p')
skipped=$(sed -n 's/^\([a-z][a-z0-9_:]*\) .*/\1/p' tests/e2e/native.txt)
chosen=$(grep -vxF "$skipped" <<<"$names")
for name in "$@"; do chosen=$(grep -F -- "$name" <<<"$chosen"); done
mapfile -t tests <<<"$chosen"
printf '%s tests, without %s\n' "${#tests[@]}" "$(wc -l <<<"$skipped")"
HOST=native cargo test --test e2e -- --exact "${tests[@]}"
