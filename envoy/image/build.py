"""Packs the module as an OCI image, the way Istio and Envoy Gateway pull it: build.py MODULE OUTPUT

The image is what `FROM scratch` and `COPY plugin.wasm ./` would give: one gzipped layer with that
one file. Neither a daemon nor a registry is needed; OUTPUT, a tar archive of an OCI layout, is
pushed with skopeo, crane or oras. The same module gives the same layer, hence the same digest:
times and owners are zero, and where the archive was made leaves no trace. (Only another release of
zlib may compress differently.)
"""

import hashlib
import io
import json
import struct
import sys
import tarfile
import tomllib
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OCI = "application/vnd.oci.image"


def archive(files, modes=None):
    """A tar archive of {name: bytes} in which nothing depends on when and by whom it is made.

    A name that ends in a slash is a directory. `modes` has those that are not the usual ones.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = (modes or {}).get(name, 0o644)
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def gzipped(content, level=9):
    """RFC 1952 by hand: Python writes the time, and the name of its system, into the header."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(content) + deflate.flush()
    header = b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff"
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) % 2**32)


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    """An OCI image layout: blobs by digest, and an index that names the image."""

    def __init__(self):
        self.blobs = {}

    def add(self, kind, content, **members):
        """Keeps a blob and returns its descriptor."""
        name = digest(content)
        self.blobs["blobs/sha256/" + name.removeprefix("sha256:")] = content
        return {"mediaType": f"{OCI}.{kind}", "digest": name, "size": len(content), **members}

    def files(self, manifest):
        index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [manifest]}
        return {
            "oci-layout": encode({"imageLayoutVersion": "1.0.0"}),
            "index.json": encode(index),
            **dict(sorted(self.blobs.items())),
        }


def encode(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def build(module, package):
    """The files of the layout, and the digest by which the image is pulled."""
    layout = Layout()
    # The name is fixed: the controllers look for it in the layer.
    content = archive({"plugin.wasm": module})
    # They take the tar+gzip form of a standard image, and exactly one layer.
    layer = layout.add("layer.v1.tar+gzip", gzipped(content))
    config = {
        # What Docker calls the platform of a WASI module; the controllers do not look at it.
        "architecture": "wasm",
        "os": "wasi",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
    }
    annotations = {
        "org.opencontainers.image.title": package["name"],
        "org.opencontainers.image.description": package["description"],
        "org.opencontainers.image.licenses": package["license"],
        "org.opencontainers.image.version": package["version"],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": layout.add("config.v1+json", encode(config)),
        "layers": [layer],
        "annotations": annotations,
    }
    # The name by which tools address one image of an archive.
    reference = {"org.opencontainers.image.ref.name": package["version"]}
    described = layout.add("manifest.v1+json", encode(manifest), annotations=reference)
    return layout.files(described), described["digest"]


def main(module, output):
    module = Path(module).read_bytes()
    if module[:8] != b"\0asm\x01\0\0\0":
        sys.exit(f"{sys.argv[1]}: not a WebAssembly module")
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    files, image = build(module, package)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(archive(files))
    print(f"{output}: {package['name']}@{image}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: build.py MODULE OUTPUT")
    main(*sys.argv[1:])
