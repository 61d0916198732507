"""Side by side with Envoy's jwt_authn: `make bench`. Needs Linux, wrk, h2load, node and npm.

One run, in rounds; each round measures every row once, in an Envoy of its own, and never two at a time.
A row counts only after every one of its requests was answered as it must be. A ratio is that of two rows
of one round; shown is the median over all rounds.
ROUNDS and DURATION (seconds of load, per row and round) make it longer or shorter; ROWS=warm,keep
measures these alone.
"""

import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import plot
import stage
from issuer import CLAIM_HEADERS
from rows import (
    ASKED,
    KNOWN,
    MESH,
    NEW,
    REFUSED,
    REMEMBERED,
    SECURE,
    STEADY,
    TWO,
    UPLOAD,
    UPLOAD_BYTES,
    rows,
)

ROUNDS = int(os.environ.get("ROUNDS") or 3)
DURATION = int(os.environ.get("DURATION") or 3)
CHOSEN = [key for key in os.environ.get("ROWS", "").split(",") if key]
# The row that the others of a group are compared with.
BASE = {
    KNOWN: "jwt_authn",
    MESH: "mesh_jwt_authn",
    SECURE: "secure_jwt_authn",
    TWO: "two_jwt_authn",
    STEADY: "steady_jwt_authn",
    NEW: "jwt_authn_cold",
    REFUSED: "jwt_authn_garbage",
    UPLOAD: "upload_none",
    REMEMBERED: "warm",
    ASKED: "ext_authz_held",
}
# Shorter runs are for trying things out; their picture is not one to show.
FULL = 9


def claims_of(value):
    """The claim headers that the upstream must see, read out of the token that is sent."""
    payload = json.loads(base64.urlsafe_b64decode(value.split(".")[1] + "=="))
    return {header: payload[claim] for header, claim in CLAIM_HEADERS.items()}


def check(row, envoy, port):
    """Sends every value once, which also fills the caches, and looks at each answer."""
    first = {"authorization": row.values[0], "x-bench-echo": "1"}
    # The keys may still be on their way.
    envoy.wait_for(
        lambda: stage.get(port, row.path, first, stage.connect(port, row.way.tls))[0] == row.status
    )
    connection = stage.connect(port, row.way.tls)
    for value in row.values:
        sent = {"authorization": value, "x-bench-echo": "1"}
        status, headers, _ = stage.get(port, row.path, sent, connection)
        seen = {
            name: headers[f"x-seen-{name}"]
            for name in stage.ECHOED
            if headers.get(f"x-seen-{name}", "-") != "-"
        }
        wanted = (claims_of(value) if row.seen else {}) | row.told
        if row.status == 200 and row.forwards_token:
            wanted["authorization"] = value
        if (status, seen) != (row.status, wanted):
            raise stage.Failed(
                f"{row.title}: got {status}, upstream saw {seen}; expected {row.status}, {wanted}"
            )
    connection.close()
    if row.host_crypto is not None:
        # The gauge is set by a timer.
        envoy.wait_for(lambda: envoy.stat("signature_host") == row.host_crypto)


def load(row, port, seconds):
    if row.way.http2:
        return stage.h2load(port, row.values[0], row.way, row.path, seconds)
    more = {"upload": row.upload, "connections": 2 if row.upload else 16}
    return stage.wrk(port, row.values, row.path, seconds, **more)


def measure(row, scene, seconds):
    envoy, port = scene.envoy(row.filters, row.clusters, bool(row.upload), row.way)
    with envoy:
        check(row, envoy, port)
        load(row, port, 1)
        before, service = envoy.cpu(), stage.cpu(scene.authorizer)
        result = load(row, port, seconds)
        used, service = envoy.cpu() - before, stage.cpu(scene.authorizer) - service
        requests = result["requests"]
        refused = 0 if row.status == 200 else requests
        if not requests or result["refused"] != refused or result["failed"]:
            raise stage.Failed(f"{row.title} under load: {result}")
        return {
            "cpu_us": (used + service * row.service) / requests * 1e6,
            "per_second": requests / result["micros"] * 1e6,
            "p50_us": result["p50"],
            "p99_us": result["p99"],
            "rss_mb": envoy.resident(),
        }


def summary(row, samples):
    """Medians over the rounds; for the processor time the extremes as well."""
    middle = {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}
    cpu = [sample["cpu_us"] for sample in samples]
    return {
        "key": row.key,
        "title": row.title,
        "group": row.group,
        **middle,
        "cpu_us_min": min(cpu),
        "cpu_us_max": max(cpu),
    }


def compare(results, samples):
    by_key = {result["key"]: result for result in results}
    for result in results:
        # Of chosen rows the first of a group stands in for one that was not chosen.
        group = [other for other in results if other["group"] == result["group"]]
        base = by_key.get(BASE[result["group"]], group[0])
        result["compared_with"] = base["key"]
        rounds = zip(samples[result["key"]], samples[base["key"]], strict=True)
        result["ratio"] = statistics.median(one["cpu_us"] / other["cpu_us"] for one, other in rounds)
    return by_key


def table(results):
    line = "  {:<48} {:>10} {:>15} {:>9} {:>9} {:>9} {:>7} {:>7}"
    group = None
    for result in results:
        if result["group"] != group:
            group = result["group"]
            print(
                "\n"
                + line.format(
                    group, "CPU us/req", "min..max", "req/s", "p50 us", "p99 us", "RSS MB", "ratio"
                )
            )
        spread = f"{result['cpu_us_min']:.1f}..{result['cpu_us_max']:.1f}"
        numbers = (f"{result[name]:.0f}" for name in ("per_second", "p50_us", "p99_us", "rss_mb"))
        print(
            line.format(
                result["title"],
                f"{result['cpu_us']:.1f}",
                spread,
                *numbers,
                f"{result['ratio']:.2f}",
            )
        )


def ratios(by_key):
    """The sentences that the numbers are for."""
    cpu = {key: result["cpu_us"] for key, result in by_key.items()}
    ratio = {key: result["ratio"] for key, result in by_key.items()}
    over = {key: micros - cpu["none"] for key, micros in cpu.items()}
    callbacks = cpu["upload"] - cpu["upload_spared"]
    share = callbacks / cpu["upload"]
    print(
        f"""
  Tokens seen before, against jwt_authn with its cache: {ratio["warm"]:.2f} of its Envoy's time;
  {over["warm"]:.1f} us against {over["jwt_authn"]:.1f} us over no filter, {over["nothing"]:.1f} us of it for any module.
  Aliases of the filter's own headers cost {cpu["warm"] - cpu["keep"]:.1f} us (`header_aliases: strip` beside `keep`).
  Every token anew, against jwt_authn without cache: {ratio["cold"]:.2f}.
  The dynamic module, against the same: {ratio["native"]:.2f} for tokens seen before, {ratio["native_cold"]:.2f} for new ones.
  ext_authz and its service take {cpu["ext_authz"] / cpu["cold"]:.1f} times as long as that.
  A function's answer that is remembered, against a remembered token: {ratio["function"]:.2f}; a function
  that is asked every time, against ext_authz to the same service: {ratio["function_held"]:.2f}, by the dynamic
  module {ratio["native_function_held"]:.2f}.
  Holding bodies back costs {callbacks / 1e3:.2f} ms per {UPLOAD_BYTES >> 20} MiB upload, {share:.1%} of it."""
    )


def machine():
    model = next(
        (
            line.split(":")[1].strip()
            for line in open("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        "",
    )
    version = subprocess.run(
        [str(stage.ENVOY), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return {
        "cpu": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        # `envoy  version: commit/version/...`
        "envoy": version.split("version: ")[1].split("/")[1],
        "module_bytes": stage.MODULE.stat().st_size,
        "rounds": ROUNDS,
        "seconds": DURATION,
    }


def main():
    began = time.monotonic()
    with stage.Stage() as scene:
        everything = rows(scene)
        if unknown := set(CHOSEN) - {row.key for row in everything}:
            raise stage.Failed(f"ROWS: no row is called {', '.join(sorted(unknown))}")
        everything = [row for row in everything if not CHOSEN or row.key in CHOSEN]
        samples = {row.key: [] for row in everything}
        for turn in range(ROUNDS):
            for row in everything:
                samples[row.key].append(measure(row, scene, DURATION))
                if sys.stdout.isatty():
                    print(f"\r  round {turn + 1} of {ROUNDS}: {row.title:<50}", end="", flush=True)
    results = [summary(row, samples[row.key]) for row in everything]
    by_key = compare(results, samples)
    about = machine()
    if sys.stdout.isatty():
        print(f"\r{'':70}\r", end="")
    print(
        f"  Envoy {about['envoy']}, 1 worker, {about['cpu']}, {about['cores']} cores; CPU time of the whole process."
    )
    table(results)
    if not CHOSEN:
        ratios(by_key)
    (stage.OUTPUT / "result.json").write_text(
        json.dumps({**about, "rows": results}, indent=1) + "\n"
    )
    full = ROUNDS * DURATION >= FULL and not CHOSEN
    picture = (stage.ROOT / "tests/bench" if full else stage.OUTPUT) / "result.svg"
    picture.write_text(plot.svg(about, results))
    written = [
        str(path.relative_to(stage.ROOT)) for path in (stage.OUTPUT / "result.json", picture)
    ]
    print(f"\n  Written: {', '.join(written)}. Took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    try:
        main()
    except (stage.Failed, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
