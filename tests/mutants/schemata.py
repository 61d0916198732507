"""Many mutants in one build.

A function with mutants becomes a `match` over their numbers: each arm is its body with one change, and
the last one is the body as it is. Which arm is taken says the environment variable `MUTANT`.
"""

import json
import re
import subprocess

VARIABLE = "MUTANT"

CHOICE = f"""
/// The mutant that is tried, 0 for none.
#[doc(hidden)]
#[must_use]
pub fn mutant() -> u32 {{
    static CHOSEN: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {{
        let number = std::env::var("{VARIABLE}").unwrap_or_default();
        number.parse().unwrap_or_default()
    }});
    *CHOSEN
}}
"""


def split(mutants):
    """Those that can be built together, and those that cannot."""
    # Constants know no environment, and an `impl` stands for one type, not for one for each arm.
    apart = lambda one: not one["function"] or "impl" in one["function"]["return_type"]
    return [one for one in mutants if not apart(one)], [one for one in mutants if apart(one)]


def write(mutants, tree, environment):
    """Builds them into the tree. The names of those that do not compile, which are left out."""
    put(tree / "src/lib.rs", (tree / "src/lib.rs").read_bytes() + CHOICE.encode())
    files = {}
    for number, one in enumerate(mutants, 1):
        files.setdefault(one["file"], []).append((number, one))
    originals = {file: (tree / file).read_text() for file in files}
    broken = set()
    while True:
        lines = {}
        for file, numbered in files.items():
            kept = [(number, one) for number, one in numbered if number not in broken]
            text, lines[file] = rewritten(originals[file], kept)
            put(tree / file, text.encode())
        worse = {lines.get(file, {}).get(line, (file, line)) for file, line in errors(tree, environment)}
        strange = [one for one in worse if not isinstance(one, int)]
        if strange:
            raise SystemExit(f"the tree does not compile for another reason than a mutant: {strange}")
        if not worse:
            return [one["name"] for number, one in enumerate(mutants, 1) if number in broken]
        broken |= worse


def errors(tree, environment):
    """Where the library does not compile: file and line of each error."""
    command = ["cargo", "check", "--lib", "--profile", "mutants", "--message-format", "json"]
    said = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    places = set()
    for line in said.stdout.splitlines():
        message = json.loads(line).get("message")
        if not isinstance(message, dict) or message["level"] != "error" or not message["spans"]:
            continue
        for span in message["spans"]:
            while span["expansion"] and not span["file_name"].startswith("src/"):
                span = span["expansion"]["span"]
            if span["is_primary"]:
                places.add((span["file_name"], span["line_start"]))
    if said.returncode and not places:
        raise SystemExit("the tree does not compile: see cargo check there")
    return places


def rewritten(text, numbered):
    """A file with all its mutants, and the mutant that each of its lines belongs to."""
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    at = lambda place: offsets[place["line"] - 1] + place["column"] - 1
    functions = {}
    for number, one in numbered:
        span = one["function"]["span"]
        begin, end = at(span["start"]), at(span["end"])
        change = at(one["span"]["start"]), at(one["span"]["end"]), one["replacement"]
        functions.setdefault((begin, end), []).append((number, change))
    parts, lines, position = [], {}, 0
    count = lambda: sum(part.count("\n") for part in parts) + 1
    for (begin, end), changes in sorted(functions.items()):
        opening = body_of(text, begin)
        # A constant function cannot look at the environment.
        signature = re.sub(r"\bconst fn\b", "fn", text[begin:opening])
        body = text[opening + 1 : end - 1]
        parts.append(text[position:begin] + signature + "{ match crate::mutant() {\n")
        for number, (start, stop, replacement) in changes:
            first = count()
            changed = body[: start - opening - 1] + f" {replacement} " + body[stop - opening - 1 :]
            parts.append(f"{number} => {{{changed}}}\n")
            lines |= dict.fromkeys(range(first, count()), number)
        parts.append(f"_ => {{{body}}}\n}} }}")
        position = end
    parts.append(text[position:])
    return "".join(parts), lines


TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'|[(\[{)\]}]|.""", re.DOTALL)


def body_of(text, begin):
    """Where the body of the function opens that begins here, with its documentation."""
    depth = 0
    for token in TOKEN.finditer(text, begin):
        if token[0] == "{" and depth == 0:
            return token.start()
        depth += (token[0] in ("(", "[", "{")) - (token[0] in (")", "]", "}"))
    raise ValueError("found no body")


def put(path, content):
    """Writes a file unless it is like that already: cargo would build anew."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
