"""Asks real web servers and frameworks what they did with requests that the filter let through.

    upstreams.py [--seed N] [--random N] [--minutes N] [--world NAME] [--subject NAME] [--upstream NAME] [--all]

Every request is written in one of thousands of ways, first one oddity at a time, then several by
chance (of the printed seed). What passes the filter goes on to every upstream, and oracle.py says
whether what ran there is what was decided about. Exit status 1: it was not, and known.json does not
say so. What is under target/upstreams/report.json is every mismatch, known ones too.
"""

import argparse
import asyncio
import base64
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import oracle
import proxy
import servers
import wire
from routes import ADMIN_HOST, ROUTES
from spellings import SUBJECTS, Request, with_tokens
from worlds import VICTIM, WORLDS, World, people

# Requests under way at once.
CROWD = 12
# Examples printed of each kind of mismatch.
EXAMPLES = 6

PLAIN = [
    Request(b"/open"), Request(b"/open/x"), Request(b"/admin"), Request(b"/admin/x"), Request(b"/reports/7/delete", b"POST"),
    Request(b"/payments"), Request(b"/payments", b"POST"), Request(b"/payments", b"DELETE"), Request(b"/orders/7"), Request(b"/orders/7", b"DELETE"),
    Request(b"/hosted"), Request(b"/internal/x"), Request(b"/files/a"), Request(b"/files/secret/x"), Request(b"/users/7"), Request(b"/users/" + VICTIM.encode()),
]  # fmt: skip

# What each world is asked about: subjects, and the plain targets that its rules tell apart.
ABOUT = {
    "admin group": (["paths", "routers", "identities"], ["/open", "/admin", "/admin/x"]),
    "closed": (["paths", "routers", "identities", "overrides"], ["/open", "/admin", "/payments", "/files/a", "/hosted"]),
    "step-up": (["methods", "overrides", "paths"], ["/payments", "/orders/7"]),
    "secret reading": (["methods", "overrides"], ["/payments", "/orders/7"]),
    "regex": (["paths", "routers"], ["/reports/7/delete", "/admin", "/internal/x"]),
    "preflight": (["preflights", "overrides", "methods"], ["/orders/7", "/payments", "/internal/x", "/admin"]),
    "hosts": (["hosts", "methods"], ["/hosted", "/admin"]),
    "own record": (["paths"], ["/users/victim"]),
    "own name": (["paths"], ["/users/victim"]),
    "tree": (["paths", "identities"], ["/files/secret/x", "/files/a", "/open"]),
    "places": (["tokens", "identities"], ["/admin", "/open"]),
    "taken off": (["tokens", "preflights"], ["/admin", "/open"]),
}


def systematic(world, cast, rng, subjects):
    """Each spelling once: (person, request)."""
    for subject in ABOUT[world.name][0]:
        if subject not in subjects:
            continue
        for plain in PLAIN:
            if plain.target.decode() not in ABOUT[world.name][1]:
                continue
            for request in SUBJECTS[subject](bearing(plain), rng):
                # Without a token there is a question only where another path is open, or the method is.
                if subject in ("paths", "preflights") or plain.target == b"/open":
                    yield cast["nobody"], request
                yield cast["staff"], request
    if world.name == "own name" and "paths" in subjects:
        for person in cast.values():
            if person.username:
                for spelled in spellings_of(person.username):
                    yield person, bearing(Request(b"/users/" + spelled)).spell(f"paths: as {person.username!r}")


def spellings_of(name):
    """A user's own name as a client would write it in a path."""
    plain = name.encode()
    escaped = "".join(chr(octet) if chr(octet).isalnum() else f"%{octet:02X}" for octet in plain)
    return sorted({escaped.encode(), escaped.lower().encode(), plain.replace(b" ", b"%20"), escaped.replace("%2E", ".").encode()})


def by_chance(worlds, cast, rng, number, subjects):
    """Several oddities in one request, of any subject, in any world."""
    ways = {}
    for _ in range(number):
        world = rng.choice(worlds)
        request = bearing(rng.choice(PLAIN), rng)
        for _ in range(rng.choice([1, 2, 2, 3])):
            subject = rng.choice(subjects)
            # Not all of them are made for one that is taken: the subject's first lot says how many there are.
            if subject not in ways:
                ways[subject] = sum(1 for _ in SUBJECTS[subject](request, rng))
            way = itertools.islice(SUBJECTS[subject](request, rng), rng.randrange(ways[subject]), None)
            request = next(way, request)
        yield world, cast[rng.choice(["nobody", "staff", "staff", "staff", "admin"])], request


def bearing(plain, rng=None):
    request = replace(plain, headers=((b"authorization", b"Bearer T"), *plain.headers))
    if rng and rng.random() < 0.3:
        request = replace(request, hosts=(ADMIN_HOST.encode(),))
    return request


class Run:
    def __init__(self, worlds, cast, forged, ports, upstreams, table):
        self.worlds, self.cast, self.forged = worlds, cast, forged
        self.ports, self.upstreams, self.table = ports, upstreams, table
        self.counts = Counter()
        self.ran, self.late = Counter(), Counter()
        # What each upstream did with the same bytes, whichever world they came from.
        self.done = {}
        self.found = []
        self.used_rows = Counter()
        self.secrets = {forged: "FORGED"} | {person.token: "T" for person in cast.values() if person.token}

    async def put(self, world, person, request, manager):
        """Sends one request, and judges what became of it everywhere."""
        spelled = self.spelled(person, request)
        port = self.ports[world.name, manager]
        mirrored = await wire.ask(port, spelled, "mirror")
        self.counts["asked"] += 1
        self.late["mirror"] += mirrored is wire.LATE
        if mirrored.header("x-bytes") is None:
            self.counts["refused" if mirrored.status else "cut off"] += 1
            return
        self.counts["let through"] += 1
        octets = base64.b64decode(mirrored.header("x-bytes"))
        if octets not in self.done:
            self.done[octets] = asyncio.ensure_future(self.fan_out(port, spelled))
        for upstream, saw in (await self.done[octets]).items():
            for mismatch in oracle.judge(world, person, self.forged, spelled, saw):
                row = oracle.known(self.table, mismatch, upstream, world, request)
                if row:
                    self.used_rows[row["name"]] += 1
                self.found.append(
                    {
                        "world": world.name, "manager": manager, "upstream": upstream, "person": person.name,
                        "kind": mismatch.kind, "text": mismatch.text, "spelled": list(request.spelled),
                        "request": spelled.shown(self.secrets), "known": row and row["name"], "saw": self.worded(saw),
                    }
                )  # fmt: skip

    def worded(self, saw):
        text = json.dumps(saw)
        for secret, word in self.secrets.items():
            text = text.replace(secret, word)
        return json.loads(text)

    async def fan_out(self, port, request):
        self.counts["distinct"] += 1
        answers = await asyncio.gather(*(wire.ask(port, request, name) for name in self.upstreams))
        ran = {name: oracle.seen(answer) for name, answer in zip(self.upstreams, answers)}
        for name, answer in zip(self.upstreams, answers):
            self.ran[name] += ran[name] is not None
            self.late[name] += answer is wire.LATE
        return {name: saw for name, saw in ran.items() if saw}

    def spelled(self, person, request):
        token = person.token.encode() if person.token else b""
        return with_tokens(request, token, self.forged.encode())

    async def all(self, jobs, minutes):
        """Runs the jobs, a bounded number at once, in their order, until time is up."""
        end = time.monotonic() + 60 * minutes
        left = iter(jobs)

        async def worker():
            for world, person, request, manager in left:
                if time.monotonic() > end:
                    break
                await self.put(world, person, request, manager)

        await asyncio.gather(*(worker() for _ in range(CROWD)))
        self.counts["not asked for want of time"] = len(jobs) - self.counts["asked"]

    async def every_handler_runs(self):
        """The plain spelling reaches each handler of each upstream: without that, silence means nothing."""
        world = next(world for world in self.worlds if world.name == "places")
        silent = []
        for handler, route in ROUTES.items():
            target = route.template.replace("{path+}", "a/b").replace("{n}", "7").replace("{id}", "7").replace("{x}", "x")
            request = Request(target.encode(), (route.method or "GET").encode(), ((route.host or "api.example.com").encode(),))
            for manager in proxy.MANAGERS:
                ran = await self.fan_out(self.ports[world.name, manager], self.spelled(self.cast["staff"], bearing(request)))
                for upstream in self.upstreams:
                    got = ran.get(upstream, {})
                    if (got.get("handler"), got.get("sub")) != (handler, self.cast["staff"].sub) and handler not in ("open", "open.item"):
                        silent.append(f"{upstream}: {handler} did not run, but {got or 'nothing'}")
        return silent


def jobs(options, worlds, cast):
    """Everything that is asked, in an order that leaves no world for last."""
    rng = random.Random(options.seed)
    subjects = options.subject or list(SUBJECTS)
    made = []
    for world in worlds:
        for person, request in systematic(world, cast, rng, subjects):
            http2 = request.http2 or (rng.random() < 0.15 and len(request.hosts) == 1)
            made.append((world, person, replace(request, http2=http2), rng.choice(["edge", "bare", "bare"])))
    for world, person, request in by_chance(worlds, cast, rng, options.random, subjects):
        made.append((world, person, request, rng.choice(["edge", "bare", "bare"])))
    rng.shuffle(made)
    return made


def report(run, options, seconds):
    unknown = [each for each in run.found if not each["known"]]
    (servers.WORK / "report.json").write_text(json.dumps(run.found, indent=1))
    groups = {}
    for each in unknown:
        subjects = " and ".join(sorted({spelled.partition(":")[0] for spelled in each["spelled"] if ": " in spelled}))
        key = (each["kind"], each["world"], each["spelled"][-1] if options.all else subjects)
        groups.setdefault(key, []).append(each)
    for (kind, world, spelled), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        names = ", ".join(f"{name} {count}" for name, count in Counter(each["upstream"] for each in group).most_common())
        print(f"\n{kind} in {world!r}, spelled {spelled}: {len(group)} ({names})")
        shown = set()
        for each in sorted(group, key=lambda each: (len(each["spelled"]), len(each["request"]))):
            if each["request"] in shown or len(shown) == EXAMPLES:
                continue
            shown.add(each["request"])
            print(f"  {each['upstream']} ({each['manager']}, {each['person']}): {each['text']}\n    {each['request'][:300]}")
    for row in run.table:
        if not run.used_rows[row["name"]] and not (options.world or options.subject or options.upstream):
            print(f"known.json: nothing showed {row['name']!r}")
    counts = ", ".join(f"{name} {run.counts[name]}" for name in ("asked", "refused", "cut off", "let through", "distinct", "not asked for want of time"))
    print(f"\nseed {options.seed}: {counts}; in {seconds:.0f} s")
    if +run.late:
        print("no answer in time: " + ", ".join(f"{name} {count}" for name, count in run.late.items() if count))
    print("handlers ran: " + ", ".join(f"{name} {run.ran[name]}" for name in run.upstreams))
    print("known: " + (", ".join(f"{name} {count}" for name, count in run.used_rows.most_common()) or "none"))
    print(f"{len(unknown)} mismatches that known.json does not explain")
    return unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("UPSTREAMS_SEED") or random.randrange(1 << 32)))
    parser.add_argument("--random", type=int, default=2000, help="requests with several oddities (2000)")
    parser.add_argument("--minutes", type=float, default=10, help="ends the asking after so long (10)")
    parser.add_argument("--world", action="append", choices=WORLDS)
    parser.add_argument("--subject", action="append", choices=SUBJECTS)
    parser.add_argument("--upstream", action="append")
    parser.add_argument("--all", action="store_true", help="list every spelling by itself")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    cast, forged, jwk = people()
    table = json.loads(Path(__file__).with_name("known.json").read_text())
    everything = [World(name, jwk) for name in WORLDS]
    worlds = [world for world in everything if not options.world or world.name in options.world]
    begun = time.monotonic()
    todo = jobs(options, worlds, cast)
    with servers.Processes() as processes:
        upstreams = servers.start_all(processes)
        mirror = servers.free_port()
        ports = proxy.start(processes, everything, {**upstreams, "mirror": mirror})
        print(f"{len(upstreams)} upstreams and Envoy up after {time.monotonic() - begun:.0f} s", flush=True)
        asked = [name for name in upstreams if not options.upstream or name in options.upstream]
        run = Run(everything, cast, forged, ports, asked, table)

        async def go():
            server = await asyncio.start_server(wire.mirror, "127.0.0.1", mirror, limit=1 << 20)
            async with server:
                silent = await run.every_handler_runs()
                await run.all(todo, options.minutes)
            return silent

        silent = asyncio.run(go())
    unknown = report(run, options, time.monotonic() - begun)
    for line in silent:
        print(line)
    sys.exit(1 if unknown or silent else 0)


if __name__ == "__main__":
    try:
        main()
    except servers.NotStarted as reason:
        sys.exit(f"upstreams: {reason}")
