#!/usr/bin/env bash
# Holds what operators copy from envoy/ against the checkers of those who will read it: promtool for
# the scrape configuration and the alerts, with made-up figures and with those of a real Envoy;
# published schemas for the Kubernetes resources. Needs the network and Node.js, so it is no part of
# `make test`. All it fetches goes into target/formats.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../../.."
work=target/formats
mkdir -p "$work"
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

# Debian's package is unpacked, not installed: installing it would start a Prometheus.
find_promtool() {
  command -v promtool && return
  local unpacked=$work/prometheus/usr/bin/promtool
  if [ ! -x "$unpacked" ]; then
    is_debian || die "needed: promtool, which comes with Prometheus"
    (cd "$work" && rm -f prometheus_*.deb && apt-get -qq download prometheus >&2 2>apt.log) ||
      die "apt-get cannot download prometheus; try after: sudo apt-get update"
    dpkg-deb -x "$work"/prometheus_*.deb "$work/prometheus"
  fi
  printf '%s\n' "$unpacked"
}
promtool=$(find_promtool)
"$promtool" check config --syntax-only envoy/prometheus/scrape.yaml
"$promtool" check rules envoy/prometheus/alerts.yaml
"$promtool" test rules tests/product/deploy/formats/alerts.yaml
PROMTOOL=$(realpath "$promtool") cargo test --features promtool --test product deploy::alerts

command -v npm >/dev/null || die "needed: Node.js 20 or newer, with npm"
cp tests/product/deploy/formats/{package.json,package-lock.json,schemas.mjs} "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
node "$work/schemas.mjs" envoy
