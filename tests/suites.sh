#!/usr/bin/env bash
# Every suite of `make test`: tests/suites.sh compile | run
#
# The end-to-end tests and those of the desk tool spend most of their time waiting for programs. They run
# beside all other suites, and what they print is shown when they have ended, so that it stays in one piece.
# Disorder at random and processor time have targets of their own, `make chaos` and `make costs`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
said=target/suites
mkdir -p "$said"

others=
for suite in tests/*.rs tests/*/main.rs; do
  suite=${suite#tests/}
  suite=${suite%/main.rs}
  suite=${suite%.rs}
  case $suite in e2e | desk | chaos | costs) ;; *) others+=" --test $suite" ;; esac
done

if [ "$1" = compile ]; then
  # shellcheck disable=SC2086
  exec cargo test --features cli --no-run --lib --bins --test e2e --test desk $others
fi

# They have a process group of their own, so that an interrupted run leaves no Envoy behind. As many
# tests at once as keep two processors busy, not as there are processors.
set -m
RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} cargo test --features cli --no-fail-fast --test e2e --test desk \
  >"$said/waiting.txt" 2>&1 </dev/null &
waiting=$!
set +m
trap 'kill -- "-$waiting" 2>/dev/null || :' EXIT

failed=
# shellcheck disable=SC2086
cargo test --features cli --lib --bins $others --no-fail-fast || failed+=" others"
cargo test --features cli --doc || failed+=" doc"
wait "$waiting" || failed+=" e2e or desk"
cat "$said/waiting.txt"
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
