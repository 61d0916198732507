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
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --release --locked --manifest-path src/native/Cargo.toml -p cognito-authorizer-abi
mkdir -p target/native
module=target/native/libcognito_authorizer.so
# Moved into place: an Envoy that has the old one loaded keeps it.
cp "$CARGO_TARGET_DIR/release/libcognito_authorizer_abi.so" "$module.new"
mv "$module.new" "$module"
printf '%s: %s bytes\n' "$module" "$(wc -c <"$module")"
