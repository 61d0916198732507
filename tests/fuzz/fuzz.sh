#!/usr/bin/env bash
# Runs the fuzz targets, one after the other: tests/fuzz/fuzz.sh run SECONDS [TARGET]
# or takes the least of what they have learnt into the repository: tests/fuzz/fuzz.sh keep
#
# What a target learns stays under target/fuzz; what breaks a promise goes to target/fuzz/finds. The
# code is safe Rust: no sanitizer would find more than the checks do, and each halves the speed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

task=${1:-run}
duration=${2:-60}
wanted=${3:-}
fuzz=target/tools/bin/cargo-fuzz

[[ $duration =~ ^[1-9][0-9]*$ ]] || die "found '$duration' seconds; expected a whole number from 1"
cargo +nightly --version >/dev/null 2>&1 ||
  die "fuzzing needs a nightly compiler: install rustup, then run: rustup toolchain install nightly"
command -v c++ >/dev/null || install_packages "libFuzzer needs a C++ compiler" g++

mapfile -t targets < <(sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"/\1/p}' tests/fuzz/Cargo.toml)
if [ -n "$wanted" ]; then
  [[ " ${targets[*]} " == *" $wanted "* ]] || die "found target '$wanted'; expected one of: ${targets[*]}"
  targets=("$wanted")
fi

# No input needs more than a second; what takes ten is a find, as is what takes 2 GB.
common=(-dict=tests/fuzz/words.dict -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
"$fuzz" build --sanitizer none --fuzz-dir tests/fuzz --target-dir target/fuzz/build --target "$host"
program() { printf 'target/fuzz/build/%s/release/%s' "$host" "$1"; }

# The repository keeps what was found, and enough to begin with, not all that is known. Names are
# digests: in their order, inputs of all kinds come first.
budget=8192 files=48
if [ "$task" = keep ]; then
  for target in "${targets[@]}"; do
    corpus=tests/fuzz/corpus/$target kept=target/fuzz/kept/$target
    rm -rf "$kept"
    mkdir -p "target/fuzz/$target" "$corpus" "$kept"
    # What is reached counts, and not how often.
    "$(program "$target")" -merge=1 -use_counters=0 "${common[@]}" "$kept" "$corpus" "target/fuzz/$target" \
      >"target/fuzz/$target.log" 2>&1 || die "see target/fuzz/$target.log"
    bytes=$(find "$corpus" -type f -exec cat {} + | wc -c) count=$(find "$corpus" -type f | wc -l)
    for input in "$kept"/*; do
      size=$(wc -c <"$input") name=${input##*/}
      [ "$count" -lt "$files" ] && [ "$((bytes + size))" -le "$budget" ] || continue
      [ "$size" -gt 0 ] && [ ! -e "$corpus/${name:0:12}" ] || continue
      cp "$input" "$corpus/${name:0:12}"
      bytes=$((bytes + size)) count=$((count + 1))
    done
    printf '%-14s %4s inputs, %5s bytes\n' "$target" "$count" "$bytes"
  done
  exit
fi

mkdir -p target/fuzz/finds
found=0 executions=0
printf '%-14s %12s %10s %9s %7s\n' target executions 'per second' inputs finds
for target in "${targets[@]}"; do
  mkdir -p "target/fuzz/$target"
  log=target/fuzz/$target.log
  before=$(find target/fuzz/finds -name "$target-*" | wc -l)
  # One process: the first find ends it, and its exit says so.
  failed=0
  "$(program "$target")" "${common[@]}" -max_total_time="$duration" \
    -artifact_prefix="target/fuzz/finds/$target-" \
    "target/fuzz/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || failed=1
  figure() { sed -n "s/^stat::$1: *//p" "$log"; }
  runs=$(figure number_of_executed_units)
  finds=$(($(find target/fuzz/finds -name "$target-*" | wc -l) - before))
  [ "$failed" = 0 ] || [ "$finds" -gt 0 ] || finds=1
  printf '%-14s %12s %10s %9s %7s\n' "$target" "${runs:-?}" "$(figure average_exec_per_sec)" \
    "$(find "target/fuzz/$target" -type f | wc -l)" "$finds"
  found=$((found + finds)) executions=$((executions + ${runs:-0}))
  [ "$finds" = 0 ] || grep -m 1 -B 1 -A 4 'panicked at\|ERROR: libFuzzer' "$log" || tail -5 "$log"
done
printf '%-14s %12s %30s\n' all "$executions" "$found"
[ "$found" = 0 ] || die "what was found is under target/fuzz/finds, and the logs beside it; once mended, it belongs under tests/fuzz/corpus"
