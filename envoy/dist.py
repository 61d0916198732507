"""Gathers a release in target/dist: the module, its image, an image with Envoy in it, the desk tool, the
schema for editors, what is in module and tool, under which licences, sums.

The same commit gives the same files with the same compiler, wherever and whenever they are made; but
for the image with Envoy, which also has this machine's libc. `make dist` builds the module and installs
Envoy and the tool for the bills of materials first. `dist.py licences` prints the licences alone.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "target"
TRIPLE = "wasm32-wasip1"
MODULE = TARGET / TRIPLE / "release" / "cognito_authorizer.wasm"

# What may be in the module, and in the desk tool, which speaks TLS. Anything else is for a person to
# look at first.
LICENCES = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "Unicode-3.0", "Unlicense", "Zlib"}
LICENCES_OF_TOOL = LICENCES | {"CDLA-Permissive-2.0", "ISC"}
EXCEPTIONS = {"LLVM-exception"}
LICENCE_FILE = re.compile(r"(LICEN[SC]E|COPYING|NOTICE|UNLICENSE)", re.IGNORECASE)


def main():
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    module = MODULE.read_bytes()
    # A module of another version would be released under this one's name.
    if version_of(module) != package["version"]:
        sys.exit(f"{MODULE}: found version {version_of(module)}; expected {package['version']}")
    dist = TARGET / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    name = f"{package['name']}-{package['version']}"
    (dist / f"{name}.wasm").write_bytes(module)
    image = dist / f"{name}.oci.tar"
    said = run([sys.executable, ROOT / "envoy/image/build.py", MODULE, image])
    target = desk_target()
    tool = desk_tool(target)
    # A name that a downloader knows: which system and processor it is for.
    shutil.copy(tool, dist / f"{name}-{target}")
    said += run([sys.executable, ROOT / "envoy/image/envoy.py", envoy(), MODULE, tool, dist / f"{name}-envoy.oci.tar"])
    (dist / f"{name}.schema.json").write_text(run([tool, "schema", "--files"]))
    for bill, content, platform, features in [
        (name, module, TRIPLE, []),
        (f"{name}-{target}", tool.read_bytes(), target, ["--features", "cli"]),
    ]:
        bill_of = bill_of_materials(package, content, platform, features)
        (dist / f"{bill}.cdx.json").write_text(json.dumps(bill_of, indent=2) + "\n")
    (dist / f"{name}-licences.txt").write_text(licences(package))
    sums = "".join(f"{digest(file.read_bytes())}  {file.name}\n" for file in sorted(dist.iterdir()))
    (dist / "SHA256SUMS").write_text(sums)
    print(said, end="")
    print(sums, end="")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def run(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def wanted_target():
    """What the desk tool should be built for: linked statically, it runs on every Linux."""
    system = run(["rustc", "-vV"]).split("host: ")[1].split()[0]
    return system, system.replace("-gnu", "-musl") if "linux" in system else system


def desk_target():
    """What the desk tool can be built for here."""
    system, static = wanted_target()
    libraries = Path(run(["rustc", "--print", "target-libdir", "--target", static]).strip())
    if list(libraries.glob("libstd-*.rlib")):
        return static
    try:
        subprocess.run(["rustup", "target", "add", static], check=True, capture_output=True, timeout=120)
        return static
    except (OSError, subprocess.SubprocessError):
        missing = f"no standard library for {static}, and rustup does not fetch it"
        print(f"{missing}: the desk tool will need this system's libc", file=sys.stderr)
        return system


def desk_tool(target):
    build = ["cargo", "build", "--locked", "--release", "--features", "cli", "--bin", "cognito-authorizer"]
    # As envoy/build.sh does: messages of panics name sources, but not where this user keeps them.
    crates = sorted(Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").glob("registry/src/*"))
    places = [f"{ROOT}=.", *(f"{place}=/crates" for place in crates)]
    flags = "\x1f".join(f"--remap-path-prefix={place}" for place in places)
    environment = {**os.environ, "CARGO_ENCODED_RUSTFLAGS": flags}
    if target.endswith("-musl"):
        suffix = target.replace("-", "_")
        # `ring` has C in it, which needs no libc: the system's compiler will do, without its checks.
        environment.setdefault(f"CC_{suffix}", "cc")
        environment.setdefault(f"CFLAGS_{suffix}", "-U_FORTIFY_SOURCE")
    subprocess.run([*build, "--target", target], check=True, cwd=ROOT, env=environment)
    return TARGET / target / "release" / "cognito-authorizer"


def envoy():
    """The program; what ENVOY names may be a script of the package that has it."""
    named = Path(os.environ.get("ENVOY") or TARGET / "venv/bin/envoy")
    packaged = sorted((TARGET / "venv/lib").glob("python3*/site-packages/envoy/_bin/envoy"))
    for path in [named, *packaged]:
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            return path
    sys.exit(f"{named}: no program; `make venv` installs Envoy")


def version_of(module):
    """The custom section `version`, which the linker script writes; None without it."""
    offset = 8
    while offset < len(module):
        kind, (size, start) = module[offset], leb128(module, offset + 1)
        if kind == 0:
            length, at = leb128(module, start)
            if module[at : at + length] == b"version":
                return module[at + length : start + size].decode()
        offset = start + size
    return None


def leb128(module, at):
    """An unsigned number, and where it ends."""
    value = shift = 0
    while True:
        byte = module[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def bill_of_materials(package, content, platform, features):
    """CycloneDX of a file, without the place and the time at which it was made."""
    # The tool writes beside Cargo.toml: it gets a directory of its own.
    work = TARGET / "sbom"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(ROOT / name, work)
    for name in ("src", "tests"):
        (work / name).symlink_to(ROOT / name)
    tools = {**os.environ, "PATH": f"{TARGET / 'tools/bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]
    command += ["--target", platform, *features, "--no-build-deps", "--override-filename", "bill"]
    run(command, cwd=work, env=tools)
    text = (work / "bill.json").read_text()
    bill = json.loads(re.sub(r"path\+file://[^#\"]*#|\?download_url=file://[^#\"]*", "", text))
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, digest(content)).urn
    del bill["metadata"]["timestamp"]
    bill["metadata"]["component"]["hashes"] = [{"alg": "SHA-256", "content": digest(content)}]
    if not bill["components"] or bill["metadata"]["component"]["version"] != package["version"]:
        sys.exit("the bill of materials is empty, or another version's")
    return bill


def crates(platform, features):
    """What is compiled for a platform, by name and version; not what only builds or tests it."""
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    lines = run([*command, "--target", platform, *features], cwd=ROOT).splitlines()
    return sorted({(name, version.removeprefix("v")) for name, version, *_ in map(str.split, lines)})


def licences(package):
    """Every crate in the module and in the desk tool, with the texts that its licence asks to be passed on."""
    metadata = json.loads(run(["cargo", "metadata", "--format-version", "1", "--locked", "--features", "cli"], cwd=ROOT))
    known = {(crate["name"], crate["version"]): crate for crate in metadata["packages"]}
    _, static = wanted_target()
    texts = {}
    parts = [f"{package['name']} {package['version']} is under {package['license']}.", ""]
    for what, libc, allowed, of in [
        ("The module", "wasi-libc (Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT)", LICENCES, (TRIPLE, [])),
        ("The desk tool", "musl (MIT) where it is linked statically", LICENCES_OF_TOOL, (static, ["--features", "cli"])),
    ]:
        parts += [
            f"{what} contains, or was made with, the Rust standard library (MIT OR Apache-2.0),",
            f"{libc}, and these crates:",
            "",
        ]
        for name, version in crates(*of):
            # What is ours has its licence in the first line.
            if not name.startswith(package["name"]):
                parts.append(licence(known[name, version], allowed, texts))
        parts.append("")
    rule = "-" * 80
    for text, users in texts.items():
        parts += ["", rule, *users, rule, "", text]
    return "\n".join(parts) + "\n"


def licence(crate, allowed, texts):
    """A crate with its licence in a line. Adds its texts to all texts, with whose they are."""
    label = f"{crate['name']} {crate['version']}"
    words = set(re.findall(r"[\w.-]+", crate["license"] or "")) - {"OR", "AND", "WITH"}
    if not words or words - allowed - EXCEPTIONS:
        sys.exit(f"{label}: found licence {crate['license']}; expected {', '.join(sorted(allowed))}")
    directory = Path(crate["manifest_path"]).parent
    files = [file for file in sorted(directory.iterdir()) if file.is_file() and LICENCE_FILE.match(file.name)]
    if not files:
        sys.exit(f"{label}: ships no text of its licence")
    for file in files:
        users = texts.setdefault(file.read_text().strip().replace("\r\n", "\n"), [])
        user = f"{label} ({file.name})"
        if user not in users:
            users.append(user)
    return f"{label}: {crate['license']}"


if __name__ == "__main__":
    if sys.argv[1:] == ["licences"]:
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        print(licences(package), end="")
    else:
        main()
