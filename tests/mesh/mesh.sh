#!/usr/bin/env bash
# What stands under envoy/istio and envoy/gateway, read by real control planes and served by an Envoy that
# takes its configuration from them: tests/mesh/mesh.sh [istio|gateway]
#
# Their programs are built from the Go modules that are pinned in tests/mesh/*/go.mod, once for each
# go.sum, into target/mesh. That takes many minutes; what is built is kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target/mesh
# shellcheck source=envoy/packages.sh
. envoy/packages.sh
command -v go >/dev/null || die "needed: Go 1.26 or newer (https://go.dev/dl)"

# built MODULE: where the tools of tests/mesh/MODULE are, after building them if they are not there.
built() {
  local sum out flags
  sum=$(cat "tests/mesh/$1/go.mod" "tests/mesh/$1/go.sum" | cksum)
  out=$PWD/target/mesh/${1//\//-}-${sum%% *}
  if [ ! -d "$out" ]; then
    printf 'building the tools of tests/mesh/%s\n' "$1" >&2
    rm -rf "$out.part"
    # What is not optimised is compiled in half the time. Envoy Gateway holds every file to its schemas,
    # for which the tests wait.
    case $1 in
      gateway*) flags=all=-dwarf=false ;;
      *) flags='all=-N -l -dwarf=false' ;;
    esac
    (cd "tests/mesh/$1" && CGO_ENABLED=0 nice go build -buildvcs=false -ldflags='-s -w' -gcflags="$flags" \
      -o "$out.part/" tool)
    case $1 in
      # What Istio's image holds beside its programs.
      istio*) cp "$(cd "tests/mesh/$1" && go list -m -f '{{.Dir}}' istio.io/istio)"/tools/packaging/common/envoy_bootstrap.json "$out.part/" ;;
    esac
    mv "$out.part" "$out"
  fi
  printf '%s\n' "$out"
}

half=${1:-all}
# MESH_VERSIONS and GATEWAY_VERSIONS name other modules under tests/mesh as well: each pins one version.
istios=${MESH_VERSIONS:-istio} gateways=${GATEWAY_VERSIONS:-gateway}
case $half in
  all) ;;
  istio) gateways= ;;
  gateway) istios= ;;
  *) die "usage: mesh.sh [istio|gateway]" ;;
esac
for module in tools $istios $gateways; do built "$module" >/dev/null; done
MESH_TOOLS=$(built tools)
export MESH_TOOLS
tests() { cargo test --quiet --features cli,mesh --test mesh "$@"; }
# without MODULE: options that leave out the tests of what that version does not have.
without() {
  local lacks=tests/mesh/$1/lacks.txt
  [ ! -f "$lacks" ] || sed -n 's/^\([a-z][^ ]*\) .*/--skip=\1/p' "$lacks"
}
tests --no-run

# Both halves at once: Envoy Gateways take turns, since each has the same ports, and leave a processor idle.
set -m
for module in $gateways; do
  printf 'tests/mesh/%s\n' "$module"
  # Istio has tests of gateways, too.
  # shellcheck disable=SC2046
  MESH_CONTROL_PLANE=$(built "$module") tests -- gateway:: --skip istio:: --test-threads=1 $(without "$module")
done &
other=$!
set +m
trap 'kill -- "-$other" 2>/dev/null || :' EXIT
status=0
for module in $istios; do
  printf 'tests/mesh/%s\n' "$module"
  # shellcheck disable=SC2046
  MESH_CONTROL_PLANE=$(built "$module") tests -- istio:: $(without "$module") || status=1
done
wait "$other" || status=1
exit "$status"
