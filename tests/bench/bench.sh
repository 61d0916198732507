#!/usr/bin/env bash
# Runs a benchmark: tests/bench/bench.sh bench | growth [pools | rules | lists | cache | streams | start | memory]...
# Installs what it needs beside the build and target/venv, or names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

[ "$(uname -s)" = Linux ] || die "processor time is read from /proc, which only Linux has"
missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v h2load >/dev/null || missing+=(nghttp2-client)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} -eq 0 ] || install_packages "the benchmark needs more tools" "${missing[@]}"
program=$1
shift
exec target/venv/bin/python "tests/bench/$program.py" "$@"
