"""Packs an Envoy with the module and the desk tool in it: envoy.py ENVOY MODULE TOOL OUTPUT [LEVEL]

What `docker run` needs and nothing else: no shell, no package manager. Envoy is given as a program;
the libraries that it asks for (glibc) are taken from this machine, with their licence, the
certificate authorities from the Python package certifi that `make venv` installs. The image is for this
machine's processor and starts with `cognito-authorizer serve`, as nobody.

Neither a daemon nor a registry is needed; OUTPUT, a tar archive, is an OCI layout, which skopeo,
crane and oras push, and what `docker load` reads. The same files give the same image. LEVEL, from 1 to 9,
is how hard it is compressed.
"""

import platform
import subprocess
import sys
import tomllib
from pathlib import Path

from build import ROOT, Layout, archive, digest, encode, gzipped

BIN = "usr/local/bin/"
MODULE = f"{BIN}cognito_authorizer.wasm"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
# Whoever runs nothing of their own, in every distribution.
NOBODY = 65534
# Envoy has 100 MB: the last percent would take a minute.
LEVEL = 6
PROCESSORS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# Where distributions keep the terms of what is taken from here.
LIBC_TERMS = [Path("/usr/share/doc/libc6/copyright"), Path("/usr/share/licenses/glibc/COPYING.LIB")]


def libraries(program):
    """{path in the image: content} of what the dynamic linker would load for a program."""
    said = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = {}
    for line in said.stdout.splitlines():
        words = line.split()
        # `libc.so.6 => /lib/x/libc.so.6 (0x…)`, or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
        if "=>" in words and "not" in words:
            sys.exit(f"{program}: {words[0]} is not on this machine")
        path = next((word for word in words if word.startswith("/")), None)
        if path:
            found[path.lstrip("/")] = Path(path).read_bytes()
    return found


def with_parents(files):
    """The files, each behind the directories that it is in."""
    every = {}
    for name in sorted(files):
        parts = name.rstrip("/").split("/")
        for end in range(1, len(parts)):
            every.setdefault("/".join(parts[:end]) + "/", b"")
        every[name] = files[name]
    return every


def layer(layout, files, modes, level):
    """Keeps a layer, and returns its descriptor and the digest of what is in it."""
    files = with_parents(files)
    modes = {name: 0o755 for name in files if name.endswith("/")} | modes
    content = archive(files, modes)
    return layout.add("layer.v1.tar+gzip", gzipped(content, level)), digest(content)


def of_certifi(pattern):
    """A file of the package that has the certificate authorities."""
    found = sorted((ROOT / "target/venv/lib").glob(f"python3*/site-packages/{pattern}"))
    if not found:
        sys.exit("target/venv has no certifi; `make venv` installs it")
    return found[0].read_bytes()


def terms():
    found = [path for path in LIBC_TERMS if path.is_file()]
    return found[0].read_bytes() if found else b"glibc is under LGPL-2.1-or-later.\n"


def build(envoy, module, tool, package, level):
    """The files of the archive, and the digest by which the image is pulled."""
    layout = Layout()
    base = {
        f"{BIN}envoy": envoy.read_bytes(),
        **libraries(envoy),
        # None for a tool that is linked statically.
        **libraries(tool),
        AUTHORITIES: of_certifi("certifi/cacert.pem"),
        "etc/passwd": f"nobody:x:{NOBODY}:{NOBODY}:nobody:/:/usr/sbin/nologin\n".encode(),
        "etc/group": f"nobody:x:{NOBODY}:\n".encode(),
        "etc/nsswitch.conf": b"hosts: files dns\n",
        "tmp/": b"",
        "usr/share/doc/certifi/LICENSE": of_certifi("certifi-*.dist-info/licenses/LICENSE"),
        # Envoy's is the same text as our own.
        "usr/share/doc/envoy/LICENSE": (ROOT / "LICENSE").read_bytes(),
        "usr/share/doc/glibc/copyright": terms(),
    }
    programs = [name for name in base if name.startswith((BIN, "lib")) and not name.endswith("/")]
    modes = {name: 0o755 for name in programs} | {"tmp/": 0o1777}
    own = {
        f"{BIN}cognito-authorizer": tool.read_bytes(),
        MODULE: module.read_bytes(),
        "usr/share/doc/cognito-authorizer/LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    layers = [layer(layout, base, modes, level)]
    # Last, since it changes with every release: whoever has the rest need not fetch it again.
    layers.append(layer(layout, own, {f"{BIN}cognito-authorizer": 0o755}, level))
    config = {
        "architecture": PROCESSORS.get(platform.machine().lower(), platform.machine().lower()),
        "os": "linux",
        "config": {
            "User": f"{NOBODY}:{NOBODY}",
            "Env": [f"PATH=/{BIN.rstrip('/')}", f"MODULE=/{MODULE}"],
            "Entrypoint": ["cognito-authorizer"],
            "Cmd": ["serve"],
            "ExposedPorts": {"8080/tcp": {}, "9902/tcp": {}},
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [content for _, content in layers]},
    }
    annotations = {
        "org.opencontainers.image.title": f"{package['name']}-envoy",
        "org.opencontainers.image.description": f"Envoy with {package['name']} in it",
        "org.opencontainers.image.licenses": package["license"],
        "org.opencontainers.image.version": package["version"],
    }
    config = layout.add("config.v1+json", encode(config))
    descriptors = [descriptor for descriptor, _ in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": descriptors,
        "annotations": annotations,
    }
    reference = {"org.opencontainers.image.ref.name": package["version"]}
    described = layout.add("manifest.v1+json", encode(manifest), annotations=reference)
    files = layout.files(described)
    # What `docker load` went by before it knew of OCI.
    place = lambda descriptor: "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")
    files["manifest.json"] = encode(
        [
            {
                "Config": place(config),
                "Layers": [place(descriptor) for descriptor in descriptors],
                "RepoTags": [f"{package['name']}-envoy:{package['version']}"],
            }
        ]
    )
    return files, described["digest"]


def main(envoy, module, tool, output, level=LEVEL):
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    files, image = build(Path(envoy), Path(module), Path(tool), package, int(level))
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(archive(files))
    print(f"{output}: {package['name']}-envoy@{image}")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit("usage: envoy.py ENVOY MODULE TOOL OUTPUT [LEVEL]")
    main(*sys.argv[1:])
