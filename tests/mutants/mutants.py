"""Mutation tests of the core: does some test fail for every way in which the code could be wrong?

cargo-mutants names what could be changed: one operator, one guard, one result at a time. A change that
no test notices survives: it is printed, and the run fails. `make mutants` tries all of them, and
with FILE=src/verify.rs one part. What is equivalent to the original stands in equivalent.toml, with
its proof.

Building costs far more than testing. So all changes are built into one copy of the tree: each
function has a branch for each change to it, and an environment variable says which branch is taken
(schemata.py). What cannot be built like that is left to cargo-mutants, which builds one at a time.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path

import schemata

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "mutants"
CONFIG = "tests/mutants/equivalent.toml"
JOBS = int(os.environ.get("JOBS") or os.cpu_count())

# What says of a request whether it gets in, and in whose name.
CORE = [
    *("src/request.rs", "src/request/**", "src/owned.rs", "src/bearer.rs", "src/bearer/**", "src/rules/**", "src/resource.rs"),
    *("src/token.rs", "src/claims.rs", "src/claims/**", "src/jwks.rs", "src/verify.rs", "src/claim_headers.rs"),
    *("src/principal.rs", "src/signature.rs", "src/es384.rs", "src/verifiers.rs", "src/verify/**"),
    *("src/authorizer/**", "src/authorization.rs", "src/arn.rs"),
    *("src/revocation.rs", "src/deny_list/**", "src/confirmation/**", "src/work.rs"),
    *("src/decision/**", "src/step.rs", "src/facts.rs", "src/gate/**", "src/keyring.rs", "src/remote/**"),
]

# What needs no module and no Envoy. Dice are not thrown: a change that only a random test notices, and
# not every time, is one that the tests do not know. Nor is anybody asked who takes long or looks at a
# clock.
TESTS = [
    ("cognito_authorizer", ["tables_match_what_expressions_match"]),
    ("core", [
        *("abuse::memory", "no_path_costs", "work_is_in_proportion", "with_another_byte", "hostile_records"),
        *("no_refusal_costs", "refusals_do_no_work", "stuffed_tokens", "what_stands_before", "places_cost"),
        *("layers::", "every_reader_finds", "only_the_right_block", "leading_zeros", "published_signatures"),
        *("random_events", "good_keys_may_serve_for_ever", "a_flood_of_random_kids", "not_at_the_same_time"),
        *("no_upstream_serves", "two_evaluators_agree", "just_where_readings_differ", "mutations::", "are_bounded"),
    ]),
]
TARGETS = ["--lib", "--test", "core"]

# So many times what the tests take unchanged, and no less than so many seconds: a busy machine is not
# to pass for an endless loop.
PATIENCE = 10
LEAST_PATIENCE = 30

VERDICTS = ("killed", "timed out", "survived", "equivalent", "does not compile")

ENVIRONMENT = os.environ | {"RUST_BACKTRACE": "0", "SIGNATURES": str(WORK / "signatures")}
# A build of its own, whoever calls.
ENVIRONMENT.pop("CARGO_TARGET_DIR", None)


def main():
    given, began = sys.argv[1:], time.monotonic()
    wanted = [one for one in list_mutants("--no-config") if not given or any(fnmatch(one["file"], two) for two in given)]
    if not wanted:
        sys.exit(f"found no mutant in {', '.join(given)}")
    fit = {one["name"] for one in list_mutants("--config", CONFIG)}
    found = {one["name"]: "equivalent" for one in wanted if one["name"] not in fit}
    (WORK / "signatures").mkdir(parents=True, exist_ok=True)
    tree = WORK / "tree"
    update(tree)
    together, alone = schemata.split([one for one in wanted if one["name"] in fit])
    broken, constant = schemata.write(together, tree, ENVIRONMENT)
    found |= dict.fromkeys(broken, "does not compile")
    alone += constant
    print(f"{len(wanted)} mutants, {len(alone)} of them built one at a time", flush=True)
    left = [(number, one) for number, one in enumerate(together, 1) if one["name"] not in found and one not in constant]
    runs = build(tree)
    with ThreadPoolExecutor(JOBS) as pool:
        tried = {pool.submit(verdict_on, number, runs, tree): one["name"] for number, one in left}
        for done in as_completed(tried):
            name, found[tried[done]] = tried[done], done.result()
            if found[name] != "killed":
                print(f"{found[name]}: {name}", flush=True)
    found |= one_at_a_time(alone, tree)
    (WORK / "verdicts.json").write_text(json.dumps(found, indent=1))
    report(wanted, found, time.monotonic() - began)
    problems = [] if given else stale(wanted)
    if "survived" in found.values():
        problems.append("mutants survived")
    if not given and list(found.values()).count("equivalent") * 50 > len(wanted):
        problems.append("found more equivalent mutants; expected at most 2 in 100")
    if problems:
        sys.exit("; ".join(problems))


def list_mutants(*options):
    command = ["cargo", "mutants", "--list", "--json", *(part for file in CORE for part in ("-f", file)), *options]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def stale(wanted):
    """The entries of equivalent.toml that say nothing any more."""
    entries = tomllib.loads((ROOT / CONFIG).read_text())["exclude_re"]
    fits = lambda entry: any(re.search(entry, one["name"]) for one in wanted)
    return [f"{CONFIG}: {entry!r} fits no mutant" for entry in entries if not fits(entry)]


def update(tree):
    """Makes a copy of the project, or brings one up to date that has been built already."""
    wanted = {Path(file) for file in ("Cargo.toml", "Cargo.lock", "README.md", "CHANGELOG.md")}
    folders = ["src", "tests", "envoy"]
    for folder in folders:
        wanted |= {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
    for folder in folders:
        for path in (tree / folder).rglob("*"):
            if path.is_file() and path.relative_to(tree) not in wanted:
                path.unlink()
    for path in wanted:
        schemata.put(tree / path, (ROOT / path).read_bytes())


def build(tree):
    """The test programs with the arguments of each run, and how long it may take."""
    command = ["cargo", "test", "--no-run", "--profile", "mutants", "--message-format", "json", *TARGETS]
    said = subprocess.run(command, cwd=tree, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    messages = [json.loads(line) for line in said.stdout.splitlines()]
    programs = {one["target"]["name"]: one["executable"] for one in messages if one.get("executable")}
    runs = []
    for name, skipped in TESTS:
        arguments = [part for test in skipped for part in ("--skip", test)]
        began = time.monotonic()
        if not passes([programs[name], *arguments], tree, {}, 600):
            sys.exit(f"the tests of {name} fail without any change")
        patience = max(LEAST_PATIENCE, PATIENCE * (time.monotonic() - began))
        runs.append(([programs[name], *arguments], patience))
    return runs


def verdict_on(number, runs, tree):
    for command, patience in runs:
        try:
            if not passes(command, tree, {schemata.VARIABLE: str(number)}, patience):
                return "killed"
        except subprocess.TimeoutExpired:
            return "timed out"
    return "survived"


def passes(command, tree, variables, patience):
    """Whether all tests of a program pass; the first that does not is the answer."""
    end = time.monotonic() + patience
    with subprocess.Popen(
        ["timeout", "--signal=KILL", f"{patience:.0f}", *command],
        cwd=tree,
        env=ENVIRONMENT | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.rstrip().endswith("... FAILED"):
                process.terminate()
                return False
        if process.wait() == 0:
            return True
    if time.monotonic() >= end:
        raise subprocess.TimeoutExpired(command, patience)
    return False


def one_at_a_time(mutants, tree):
    """What cargo-mutants makes of those that cannot be built beside others."""
    if not mutants:
        return {}
    update(tree)
    out = WORK / "alone"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = ["cargo", "mutants", "--in-place", "--baseline", "skip", "--config", CONFIG, "--timeout", "120"]
    command += ["-o", str(out), *(part for one in mutants for part in ("-f", one["file"], "-F", f"^{re.escape(one['name'])}$"))]
    command += [f"--cargo-arg={part}" for part in TARGETS]
    command += ["--", "--", *(part for _, skipped in TESTS for test in skipped for part in ("--skip", test))]
    with (out / "log").open("w") as log:
        subprocess.run(command, cwd=tree, env=ENVIRONMENT, stdout=log, stderr=log)
    found = {}
    for file, verdict in (("caught", "killed"), ("timeout", "timed out"), ("missed", "survived"), ("unviable", "does not compile")):
        for name in (out / "mutants.out" / f"{file}.txt").read_text().splitlines():
            found[name] = verdict
    missing = [one["name"] for one in mutants if one["name"] not in found]
    if missing:
        sys.exit(f"found no verdict on {missing}: see {out / 'log'}")
    return found


def report(wanted, found, seconds):
    rows = {}
    for one in wanted:
        for row in (one["file"], "all"):
            rows.setdefault(row, dict.fromkeys(VERDICTS, 0))[found[one["name"]]] += 1
    print(f"\n| file | mutants | {' | '.join(VERDICTS)} |\n|---|---|{'---|' * len(VERDICTS)}")
    for name, row in sorted(rows.items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"| {name} | {sum(row.values())} | {' | '.join(str(row[verdict]) for verdict in VERDICTS)} |")
    print(f"\n{seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main()
