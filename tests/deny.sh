#!/usr/bin/env bash
# Asks cargo-deny about what the module is made of, by the rules in .deny.toml. Without the network
# there are no advisories: it says so, and everything else is asked all the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny() {
  target/tools/bin/cargo-deny --locked "$@"
}

deny check --hide-inclusion-graph licenses bans sources
if deny fetch db 2>target/advisories.log; then
  deny check --disable-fetch --hide-inclusion-graph advisories
else
  printf 'advisories: not asked about, since their database cannot be had (target/advisories.log)\n'
fi
