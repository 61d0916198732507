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
  local sum out
  sum=$(cat "tests/mesh/$1/go.mod" "tests/mesh/$1/go.sum" | cksum)
  out=$PWD/target/mesh/${1//\//-}-${sum%% *}
  if [ ! -d "$out" ]; then
    printf 'building the tools of tests/mesh/%s\n' "$1" >&2
    rm -rf "$out.part"
    (cd "tests/mesh/$1" && CGO_ENABLED=0 nice go build -buildvcs=false -ldflags='-s -w' -o "$out.part/" tool)
    case $1 in
      # What Istio's image holds beside its programs.
      istio*) cp "$(cd "tests/mesh/$1" && go list -m -f '{{.Dir}}' istio.io/istio)"/tools/packaging/common/envoy_bootstrap.json "$out.part/" ;;
    esac
    mv "$out.part" "$out"
  fi
  printf '%s\n' "$out"
}

# run MODULE HALF [OTHER]: the tests of one half, with the tools of a module. Istio has tests of gateways, too.
run() {
  local tools
  tools=$(built "$1")
  printf '%s\n' "tests/mesh/$1"
  MESH_TOOLS=$(built tools) MESH_CONTROL_PLANE=$tools \
    cargo test --features cli,mesh --test mesh -- "$2::" ${3:+--skip "$3::"}
}

half=${1:-all}
case $half in istio | gateway | all) ;; *) die "usage: mesh.sh [istio|gateway]" ;; esac
if [ "$half" != gateway ]; then
  # MESH_VERSIONS has other modules under tests/mesh as well: each pins one version.
  for module in ${MESH_VERSIONS:-istio}; do run "$module" istio; done
fi
if [ "$half" != istio ]; then
  # GATEWAY_VERSIONS="gateway/previous gateway" asks for the version before, too.
  for module in ${GATEWAY_VERSIONS:-gateway}; do run "$module" gateway istio; done
fi
