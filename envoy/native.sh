#!/usr/bin/env bash
# Builds the dynamic module: target/native/libcognito_authorizer.so, the same filter for Envoys that
# load native modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

case "$(uname -s)" in
Linux) ;;
*) die "unsupported platform $(uname -s): Envoy's dynamic modules are built on Linux" ;;
esac
# In a folder of its own: what the two workspaces build in common differs in its features.
folder=${CARGO_TARGET_DIR:-$PWD/target}/native
cargo build --release --locked --manifest-path src/native/Cargo.toml --target-dir "$folder" \
  -p cognito-authorizer-abi
mkdir -p target/native
module=target/native/libcognito_authorizer.so
# Moved into place: an Envoy that has the old one loaded keeps it.
cp "$folder/release/libcognito_authorizer_abi.so" "$module.new"
mv "$module.new" "$module"
printf '%s: %s bytes\n' "$module" "$(wc -c <"$module")"
