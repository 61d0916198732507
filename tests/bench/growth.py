"""What grows with what: `make bench-growth`. Pools, rules, deny lists, tokens beyond the cache, open
streams, memory, start.

Each curve by itself: `bench.sh growth pools` and so on. TOKENS says how many distinct tokens, and
as many refusals, the memory is looked at under; the million that is the default has to be signed
first, which takes two cores some minutes.
"""

import contextlib
import http.client
import json
import os
import socket
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool

import stage
from bench import check
from issuer import KID, claims, garbage, random_kid, signed, unsigned
from rows import (
    CACHE,
    MATCHED,
    Row,
    bearer,
    jwt_authn,
    many_rules,
    native,
    ours,
    pool,
    rules_with_matchers,
)

DURATION = int(os.environ.get("DURATION") or 3)
TOKENS = int(os.environ.get("TOKENS") or 1_000_000)
STEPS = 10
# What one process signs and sends at a time.
BATCH = 1000


def timed(
    scene, filters, values, path="/", warm_up=1, seeds=(0, 0), seconds=DURATION, beside=None
):
    """Processor time per request, resident megabytes, and the share of cache hits."""
    envoy, port = scene.envoy(filters)
    with envoy:
        check(Row("growth", path, "growth", filters, values[:200], path=path), envoy, port)
        stage.wrk(port, values, path, seconds=warm_up, seed=seeds[0])
        before, hits, misses = (
            envoy.cpu(),
            envoy.stat("token_cache.hit"),
            envoy.stat("token_cache.miss"),
        )
        ended = threading.Event()
        other = threading.Thread(target=beside or (lambda *_: None), args=(port, ended))
        other.start()
        result = stage.wrk(port, values, path, seconds=seconds, seed=seeds[1])
        ended.set()
        other.join()
        used = envoy.cpu() - before
        if result["refused"] or result["failed"]:
            raise stage.Failed(f"under load: {result}")
        # Counters reach the statistics with a delay; the share does not depend on it.
        hits, misses = envoy.stat("token_cache.hit") - hits, envoy.stat("token_cache.miss") - misses
        return {
            "cpu_us": round(used / result["requests"] * 1e6, 1),
            "rss_mb": round(envoy.resident()),
            "hit_percent": round(100 * hits / max(1, hits + misses), 1),
        }


def pools(scene):
    """Tokens from all over the pools, whose keys are fetched a few at a time at start."""
    for count in (1, 10, 100, 1000):
        ids = [f"us-east-1_Bench{number:04}" for number in range(1, count + 1)]
        values = bearer(signed(claims(at, ids[at * count // 200])) for at in range(200))
        yield {
            "pools": count,
            **timed(scene, ours(user_pools=[pool(name) for name in ids]), values),
        }


def rules(scene):
    """The rule that matches is the last; of little, and of all that a rule can say."""
    plain = bearer(signed(claims(number)) for number in range(200))
    matched = bearer(signed(claims(number) | MATCHED) for number in range(200))
    for count in (10, 100, 1000):
        for name, rules, values in (
            ("plain", many_rules, plain),
            ("every matcher", rules_with_matchers, matched),
        ):
            filters = ours(**rules(count))
            yield {"rules": count, "ask": name, **timed(scene, filters, values, "/records/7")}


def lists(scene):
    """Deny lists that change every five seconds, and a probe beside the load."""
    values = bearer(signed(claims(number)) for number in range(200))
    for count in (None, 0, 1000, 20_000, 100_000):
        more = {}
        if count is not None:
            more["deny_list"] = {
                "cluster": "keys",
                "uri": f"http://keys.test/lists/{count}",
                "refresh_interval": "5s",
                "max_age": "1h",
                "when_stale": "refuse",
                "max_entries": 100_000,
            }
        took = []
        yield {
            "entries": "no list" if count is None else count,
            **timed(
                scene,
                ours(**more),
                values,
                seconds=max(DURATION, 12),
                beside=lambda port, ended, took=took: probe(port, values[0], ended, took),
            ),
            "probe_p50_ms": round(statistics.median(took) * 1e3, 1),
            "probe_max_ms": round(max(took) * 1e3, 1),
        }


def probe(port, value, ended, took):
    """One request after the other, and how long each took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not ended.is_set():
        began = time.monotonic()
        stage.get(port, "/", {"authorization": value}, connection)
        took.append(time.monotonic() - began)
        time.sleep(0.001)


def cache(scene):
    """More tokens in use than the cache holds, in random order."""
    values = bearer(signed(claims(number)) for number in range(4 * CACHE))
    for count in (CACHE // 4, CACHE, 5 * CACHE // 4, 2 * CACHE, 4 * CACHE):
        # Two seeds: the same order again would find what it left behind.
        yield {
            "tokens": count,
            "cache": CACHE,
            **timed(scene, ours(), values[:count], warm_up=4, seeds=(1, 2)),
        }


def send(arguments):
    """Mints one batch, sends it over one connection, and counts the answers of the wanted status."""
    port, mint, numbers, status = arguments
    wanted = f"HTTP/1.1 {status} ".encode()
    good = 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        # One after the other: an Envoy that refuses a request closes on what is sent ahead.
        for number in numbers:
            connection.sendall(
                f"GET / HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {mint(number)}\r\n\r\n".encode()
            )
            answer = b""
            # How the upstream's answer and a refusal end.
            while not answer.endswith((b"ok", b"}")):
                piece = connection.recv(1 << 16)
                if not piece:
                    return good
                answer += piece
            good += answer.startswith(wanted)
    return good


def valid(number):
    return signed(claims(number))


def refused(number):
    """One of four ways to be refused, none like the other."""
    token = claims(number)
    return [
        lambda: garbage(number),
        lambda: unsigned(token | {"exp": 1}, KID, number),
        lambda: unsigned(token, random_kid(number), number),
        lambda: unsigned(token, KID, number),
    ][number % 4]()


def memory(scene):
    envoy, port = scene.envoy(ours())
    with envoy, Pool(len(os.sched_getaffinity(0))) as workers:
        envoy.wait_for(
            lambda: stage.get(port, "/", {"authorization": f"Bearer {valid(0)}"})[0] == 200
        )
        yield {"sent": "nothing yet", "rss_mb": round(envoy.resident())}
        for what, mint, status in (("valid", valid, 200), ("refused", refused, 401)):
            for step in range(STEPS):
                low, high = (TOKENS * at // STEPS for at in (step, step + 1))
                batches = [
                    (port, mint, range(at, min(at + BATCH, high)), status)
                    for at in range(low, high, BATCH)
                ]
                good = sum(workers.imap_unordered(send, batches))
                if good != high - low:
                    raise stage.Failed(
                        f"{high - low - good} of {high - low} {what} tokens were not answered {status}"
                    )
                yield {"sent": f"{high} {what}", "rss_mb": round(envoy.resident())}


def streams(scene):
    """Uploads that are open when their tokens end, all in one second: what another request waits then."""
    # Behind this filter, and before the router: Envoy waits for the end of each.
    filters = ours(token={"at_expiry": "close", "clock_skew": "0s"}) + [stage.BUFFER]
    other = bearer([signed(claims(0))])
    for count in (0, 1000, 9000):
        envoy, port = scene.envoy(filters)
        with envoy, contextlib.ExitStack() as opened, ThreadPoolExecutor() as watching:
            envoy.wait_for(lambda: stage.get(port, "/", {"authorization": other[0]})[0] == 200)
            ends = claims(0, lifetime=20)["exp"]
            values = bearer(signed(claims(number) | {"exp": ends}) for number in range(200))
            head = "POST / HTTP/1.1\r\nhost: bench\r\ncontent-length: 9\r\nauthorization:"
            for number in range(count):
                connection = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall(f"{head} {values[number % 200]}\r\n\r\n".encode())
            envoy.wait_for(lambda count=count: envoy.stat("allowed") >= count)
            # Two loads: one while nothing ends, and one that begins a second before.
            idle = ends - 1 - DURATION - time.time()
            if idle < 1:
                raise stage.Failed(f"found {count} streams not open in time")
            used = envoy.cpu()
            time.sleep(idle)
            used = envoy.cpu() - used
            before = stage.wrk(port, other, seconds=DURATION, connections=1)
            cut = watching.submit(envoy.wait_for, lambda count=count: envoy.stat("closed") == count)
            ended = []
            cut.add_done_callback(lambda _, ended=ended: ended.append(time.time()))
            during = stage.wrk(port, other, seconds=DURATION, connections=1)
            cut.result()
            yield {
                "open": count,
                "idle_cpu_percent": round(100 * used / idle, 1),
                "longest_ms": before["longest"] / 1000,
                "longest_while_cut_ms": during["longest"] / 1000,
                "refused_or_failed": sum(one["refused"] + one["failed"] for one in (before, during)),
                "cut_after_s": round(max(0, ended[0] - ends), 2),
            }


def start(scene):
    """From the start of the process to the first answer that rests on a verified token."""
    value = bearer([valid(1)])[0]
    for name, filters in (
        ("no filter", []),
        ("jwt_authn", jwt_authn(True)),
        ("this filter", ours()),
        ("the dynamic module", native()),
    ):
        times = []
        for _ in range(5):
            envoy, port = scene.envoy(filters)
            with envoy:
                envoy.wait_for(lambda: stage.get(port, "/", {"authorization": value})[0] == 200)
                times.append(time.monotonic() - envoy.started)
        yield {"filter": name, "seconds": round(statistics.median(times), 3)}


CURVES = {
    "pools": pools,
    "rules": rules,
    "lists": lists,
    "cache": cache,
    "streams": streams,
    "start": start,
    "memory": memory,
}


def main(wanted):
    results = {}
    with stage.Stage() as scene:
        for name in wanted or CURVES:
            print(
                f"\n{name}: {(CURVES[name].__doc__ or 'resident memory').strip().splitlines()[0]}"
            )
            results[name] = []
            for point in CURVES[name](scene):
                results[name].append(point)
                print(
                    "  " + "  ".join(f"{key} {value}" for key, value in point.items()), flush=True
                )
    (stage.OUTPUT / "growth.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(CURVES)
    if unknown:
        sys.exit(f"growth: unknown {', '.join(unknown)}; expected {', '.join(CURVES)}")
    try:
        main(sys.argv[1:])
    except (stage.Failed, OSError) as error:
        sys.exit(f"growth: {error}")
