"""Gathers a release in target/dist: the module, its image, an image with Envoy in it, the desk tool, the
schema for editors, what is in the module, under which licences, sums.

The same commit gives the same files with the same compiler, wherever and whenever they are made; but
for the image with Envoy, which also has this machine's libc. `make dist` builds the module and installs
Envoy and the tool for the bill of materials first.
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

# What may be in the module. Anything else is for a person to look at first.
LICENCES = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "Unicode-3.0", "Unlicense", "Zlib"}
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
    tool = desk_tool()
    # A name that a downloader knows: which system and processor it is for.
    shutil.copy(tool, dist / f"{name}-{tool.parents[1].name}")
    said += run([sys.executable, ROOT / "envoy/image/envoy.py", envoy(), MODULE, tool, dist / f"{name}-envoy.oci.tar"])
    (dist / f"{name}.schema.json").write_text(run([tool, "schema", "--files"]))
    bill = bill_of_materials(package, module)
    (dist / f"{name}.cdx.json").write_text(json.dumps(bill, indent=2) + "\n")
    (dist / f"{name}-licences.txt").write_text(licences(package, bill))
    sums = "".join(f"{digest(file.read_bytes())}  {file.name}\n" for file in sorted(dist.iterdir()))
    (dist / "SHA256SUMS").write_text(sums)
    print(said, end="")
    print(sums, end="")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def run(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def desk_tool():
    """The desk tool: linked statically where rustup has what that takes, so that it runs on every Linux."""
    system = run(["rustc", "-vV"]).split("host: ")[1].split()[0]
    build = ["cargo", "build", "--locked", "--release", "--features", "cli", "--bin", "cognito-authorizer"]
    target, environment = system, dict(os.environ)
    if "linux" in system:
        static = system.replace("-gnu", "-musl")
        added = subprocess.run(["rustup", "target", "add", static], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if added.returncode == 0:
            target, suffix = static, static.replace("-", "_")
            # `ring` has C in it, which needs no libc: the system's compiler will do, without its checks.
            environment.setdefault(f"CC_{suffix}", "cc")
            environment.setdefault(f"CFLAGS_{suffix}", "-U_FORTIFY_SOURCE")
        else:
            print(f"no standard library for {static}: the desk tool needs this system's libc", file=sys.stderr)
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


def bill_of_materials(package, module):
    """CycloneDX, without the place and the time at which it was made."""
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
    command += ["--target", TRIPLE, "--no-build-deps", "--override-filename", "bill"]
    run(command, cwd=work, env=tools)
    text = (work / "bill.json").read_text()
    here = f"path+file://{work}#"
    bill = json.loads(text.replace(here, "").replace("?download_url=file://.", ""))
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, digest(module)).urn
    del bill["metadata"]["timestamp"]
    bill["metadata"]["component"]["hashes"] = [{"alg": "SHA-256", "content": digest(module)}]
    if not bill["components"] or bill["metadata"]["component"]["version"] != package["version"]:
        sys.exit("the bill of materials is empty, or another version's")
    return bill


def licences(package, bill):
    """Every crate in the module, with the texts that its licence asks to be passed on."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TRIPLE]
    metadata = json.loads(run(command, cwd=ROOT))
    crates = {(crate["name"], crate["version"]): crate for crate in metadata["packages"]}
    texts = {}
    listing = []
    for component in sorted(bill["components"], key=lambda one: (one["name"], one["version"])):
        crate = crates[component["name"], component["version"]]
        label = f"{crate['name']} {crate['version']}"
        words = set(re.findall(r"[\w.-]+", crate["license"] or "")) - {"OR", "AND", "WITH"}
        unknown = words - LICENCES - EXCEPTIONS
        if unknown or not words:
            sys.exit(f"{label}: found licence {crate['license']}; expected {', '.join(sorted(LICENCES))}")
        listing.append(f"{label}: {crate['license']}")
        directory = Path(crate["manifest_path"]).parent
        files = [file for file in sorted(directory.iterdir()) if LICENCE_FILE.match(file.name)]
        if not files:
            sys.exit(f"{label}: ships no text of its licence")
        for file in files:
            text = file.read_text().strip().replace("\r\n", "\n")
            texts.setdefault(text, []).append(f"{label} ({file.name})")
    rule = "-" * 80
    parts = [
        f"{package['name']} {package['version']} is under {package['license']}. Its module contains, or was made",
        "with, the Rust standard library (MIT OR Apache-2.0), wasi-libc (Apache-2.0 WITH LLVM-exception",
        "OR Apache-2.0 OR MIT), and these crates:",
        "",
        *listing,
    ]
    for text, users in texts.items():
        parts += ["", rule, *users, rule, "", text]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
