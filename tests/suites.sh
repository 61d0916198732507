#!/usr/bin/env bash
# Every suite of `make test`: tests/suites.sh
#
# Suites that start Envoys spend most of their time waiting for them. They run beside all others, and
# what they print is shown when they have ended, so that it stays in one piece.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
said=target/suites
mkdir -p "$said"

waiting="e2e chaos"
others=
for suite in tests/*.rs tests/*/main.rs; do
  suite=${suite#tests/}
  suite=${suite%/main.rs}
  suite=${suite%.rs}
  [[ " $waiting " == *" $suite "* ]] || others+=" --test $suite"
done

cargo test --features cli --no-run

# Each has a process group of its own, so that an interrupted run leaves no Envoy behind.
groups=
trap 'for group in $groups; do kill -- "-$group" 2>/dev/null || :; done' EXIT
set -m
for suite in $waiting; do
  # As many tests at once as keep two processors busy, not as there are processors.
  RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} cargo test --features cli --test "$suite" \
    >"$said/$suite.txt" 2>&1 </dev/null &
  groups+=" $!"
done
set +m

failed=
# shellcheck disable=SC2086
cargo test --features cli --lib --bins $others --no-fail-fast || failed+=" others"
cargo test --features cli --doc || failed+=" doc"
for suite in $waiting; do
  # shellcheck disable=SC2086
  set -- $groups
  wait "$1" || failed+=" $suite"
  groups=" ${*:2}"
  cat "$said/$suite.txt"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
