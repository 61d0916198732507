#!/usr/bin/env bash
# Every suite of `make test`: tests/suites.sh compile | run
#
# The end-to-end tests spend most of their time waiting for Envoys. They run beside all other suites, and
# what they print is shown when they have ended, so that it stays in one piece. Disorder at random and
# processor time have targets of their own, `make chaos` and `make costs`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
said=target/suites
mkdir -p "$said"

others=
for suite in tests/*.rs tests/*/main.rs; do
  suite=${suite#tests/}
  suite=${suite%/main.rs}
  suite=${suite%.rs}
  case $suite in e2e | chaos | costs) ;; *) others+=" --test $suite" ;; esac
done

if [ "$1" = compile ]; then
  # shellcheck disable=SC2086
  exec cargo test --features cli --no-run --lib --bins --test e2e $others
fi

# It has a process group of its own, so that an interrupted run leaves no Envoy behind. As many tests
# at once as keep two processors busy, not as there are processors.
set -m
RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} cargo test --features cli --test e2e \
  >"$said/e2e.txt" 2>&1 </dev/null &
e2e=$!
set +m
trap 'kill -- "-$e2e" 2>/dev/null || :' EXIT

failed=
# shellcheck disable=SC2086
cargo test --features cli --lib --bins $others --no-fail-fast || failed+=" others"
cargo test --features cli --doc || failed+=" doc"
wait "$e2e" || failed+=" e2e"
cat "$said/e2e.txt"
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
