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

/// An iterator of one arm, or of one behind it.
#[doc(hidden)]
#[derive(Clone)]
pub enum Arm<T, U> {{
    This(T),
    Another(U),
}}

impl<T: Iterator, U: Iterator<Item = T::Item>> Iterator for Arm<T, U> {{
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {{
        match self {{
            Self::This(one) => one.next(),
            Self::Another(one) => one.next(),
        }}
    }}
}}

/// An arm that iterates over something else does not compile, and not the whole function.
#[doc(hidden)]
pub fn iterates<T, I: Iterator<Item = T>>(one: I) -> I {{
    one
}}
"""


def split(mutants):
    """Those that can be built together, and those that cannot."""
    # Constants know no environment, and an `impl` stands for one type, not for one for each arm.
    apart = lambda one: not one["function"] or "impl" in one["function"]["return_type"] and not item_of(one)
    return [one for one in mutants if not apart(one)], [one for one in mutants if apart(one)]


def item_of(one):
    """What the function iterates over, if all that is known of its result is that it iterates."""
    found = re.fullmatch(r"-> impl Iterator<Item ?=(.*?)>(\+Clone)?(\+use<.*>)?", one["function"]["return_type"])
    return found[1] if found else ""


def write(mutants, tree, environment):
    """Builds them into the tree. Those that do not compile, by name, and those in functions that constants
    call: both are left out."""
    put(tree / "src/lib.rs", (tree / "src/lib.rs").read_bytes() + CHOICE.encode())
    files = {}
    for number, one in enumerate(mutants, 1):
        files.setdefault(one["file"], []).append((number, one))
    originals = {file: (tree / file).read_text() for file in files}
    broken, constant = set(), set()
    while True:
        lines, heads = {}, {}
        for file, numbered in files.items():
            kept = [(number, one) for number, one in numbered if number not in broken | constant]
            text, lines[file], heads[file] = rewritten(originals[file], kept)
            put(tree / file, text.encode())
        places, called = errors(tree, environment)
        if not places:
            return (
                [one["name"] for number, one in enumerate(mutants, 1) if number in broken],
                [one for number, one in enumerate(mutants, 1) if number in constant],
            )
        # What is said of a whole function may come from one of its arms.
        worse = {lines[file][line] for file, line in places if line in lines.get(file, {})}
        fixed = {number for file, line in called for number in heads.get(file, {}).get(line, ())}
        if not worse | fixed:
            raise SystemExit(f"the tree does not compile for another reason than a mutant: {places}")
        broken |= worse
        constant |= fixed


def errors(tree, environment):
    """Where the library does not compile: file and line of each error, and of each function that is no
    longer constant and should be."""
    command = ["cargo", "check", "--lib", "--profile", "mutants", "--message-format", "json"]
    said = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    places, called = set(), set()
    for line in said.stdout.splitlines():
        message = json.loads(line).get("message")
        if not isinstance(message, dict) or message["level"] != "error" or not message["spans"]:
            continue
        for span in message["spans"]:
            while span["expansion"] and not span["file_name"].startswith("src/"):
                span = span["expansion"]["span"]
            if span["is_primary"]:
                places.add((span["file_name"], span["line_start"]))
        if (message["code"] or {}).get("code") == "E0015":
            notes = (span for note in message["children"] for span in note["spans"])
            called |= {(span["file_name"], span["line_start"]) for span in notes}
    if said.returncode and not places:
        raise SystemExit("the tree does not compile: see cargo check there")
    return places, called


def rewritten(text, numbered):
    """A file with all its mutants, the mutant that each of its lines belongs to, and the mutants of the
    function whose signature is in a line."""
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    at = lambda place: offsets[place["line"] - 1] + place["column"] - 1
    functions = {}
    for number, one in numbered:
        span = one["function"]["span"]
        begin, end = at(span["start"]), at(span["end"])
        change = at(one["span"]["start"]), at(one["span"]["end"]), one["replacement"]
        functions.setdefault((begin, end, item_of(one)), []).append((number, change))
    parts, lines, heads, position = [], {}, {}, 0
    count = lambda: sum(part.count("\n") for part in parts) + 1
    for (begin, end, item), changes in sorted(functions.items()):
        opening = body_of(text, begin)
        # A constant function cannot look at the environment.
        signature = re.sub(r"\bconst fn\b", "fn", text[begin:opening])
        body = text[opening + 1 : end - 1]
        parts.append(text[position:begin])
        head = count()
        parts.append(signature + "{ match crate::mutant() {\n")
        heads |= dict.fromkeys(range(head, count()), [number for number, _ in changes])
        for before, (number, (start, stop, replacement)) in enumerate(changes):
            first = count()
            changed = body[: start - opening - 1] + f" {replacement} " + body[stop - opening - 1 :]
            parts.append(f"{number} => {arm(changed, item, before, 'crate::Arm::This')}\n")
            lines |= dict.fromkeys(range(first, count()), number)
        parts.append(f"_ => {arm(body, item, len(changes), '')}\n}} }}")
        position = end
    parts.append(text[position:])
    return "".join(parts), lines, heads


def arm(body, item, before, this):
    """A block with this body; an iterator is of one type with those of the arms before and behind it."""
    if not item:
        return f"{{{body}}}"
    inner = f"{this}(crate::iterates::<{item}, _>({{{body}}}))"
    return f"{{{'crate::Arm::Another(' * before}{inner}{')' * before}}}"


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
