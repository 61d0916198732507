#!/usr/bin/env bash
# The differential test before all judges. It fetches and builds two of them under
# target/differential: AWS's verifier, at the version that the benchmark has locked, and the crate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} -eq 0 ] || install_packages "AWS's verifier needs Node.js" "${missing[@]}"

work=$PWD/target/differential
mkdir -p "$work/aws-jwt-verify"
cp tests/bench/authz/package.json tests/bench/authz/package-lock.json \
  tests/differential/judges/aws-jwt-verify/judge.mjs "$work/aws-jwt-verify"
(cd "$work/aws-jwt-verify" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
cargo install --quiet --locked --path tests/differential/judges/jsonwebtoken \
  --root "$work" --target-dir "$work/build"
DIFFERENTIAL=$work cargo test --test differential -- --nocapture
