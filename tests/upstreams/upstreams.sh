#!/usr/bin/env bash
# Real web servers and frameworks before the filter: tests/upstreams/upstreams.sh [OPTION...]
# What they are fetched into is target/upstreams; what each option does: --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target/upstreams
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

missing=()
for wanted in node:nodejs npm:npm nginx:nginx caddy:caddy lighttpd:lighttpd puma:puma; do
  PATH=$PATH:/usr/sbin command -v "${wanted%%:*}" >/dev/null || missing+=("${wanted#*:}")
done
PATH=$PATH:/usr/sbin compgen -c php-fpm >/dev/null || missing+=(php-fpm)
[ -r /usr/share/php/Symfony/Component/HttpFoundation/autoload.php ] || missing+=(php-symfony-http-foundation)
ruby -e 'require "action_dispatch"' 2>/dev/null || missing+=(ruby-actionpack)
if [ ${#missing[@]} -gt 0 ]; then
  # Debian starts a server that it installs. This one is to be there, not to run.
  if [ "$(id -u)" -eq 0 ] && is_debian && [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  install_packages "some of the upstreams are Debian's" "${missing[@]}"
fi

venv=target/upstreams/venv
wanted=tests/upstreams/requirements.txt
# Written last: an interrupted installation is begun anew.
if ! cmp -s "$wanted" "$venv/installed.txt" || ! "$venv/bin/python" -c 'import h2, flask' 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
  cp "$wanted" "$venv/installed.txt"
fi
express=target/upstreams/express
mkdir -p "$express"
cp tests/upstreams/{package.json,package-lock.json,apps/express.js} "$express"
(cd "$express" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

"$venv/bin/python" tests/upstreams/upstreams.py "$@"
