"""The module that does nothing: what it costs to have a proxy-wasm filter at all.

It has the callbacks that no filter can do without, and they return at once: a hundred bytes, put
together here, because a toolchain for them would be a crate of its own.
"""

I32, VOID = b"\x7f", b""
# Functions: name, parameters, result, body. What answers says 0: Continue, and no memory.
ANSWER, NOTHING = b"\x41\x00", b""
FUNCTIONS = [
    ("proxy_abi_version_0_2_1", 0, VOID, NOTHING),
    ("proxy_on_memory_allocate", 1, I32, ANSWER),
    ("proxy_on_context_create", 2, VOID, NOTHING),
    ("proxy_on_request_headers", 3, I32, ANSWER),
    ("proxy_on_delete", 1, VOID, NOTHING),
]


def vector(items):
    return bytes([len(items)]) + b"".join(items)


def sized(data):
    """Preceded by its length in LEB128, here always of two bytes."""
    return bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) + data


def section(number, items):
    return bytes([number]) + sized(vector(items))


def module():
    types = [
        b"\x60" + vector([I32] * count) + vector([result][: len(result)])
        for _, count, result, _ in FUNCTIONS
    ]
    exports = [
        sized(name.encode()) + b"\x00" + bytes([at]) for at, (name, *_) in enumerate(FUNCTIONS)
    ]
    bodies = [sized(b"\x00" + body + b"\x0b") for *_, body in FUNCTIONS]
    return (
        b"\x00asm\x01\x00\x00\x00"
        + section(1, types)
        + section(3, [bytes([at]) for at in range(len(FUNCTIONS))])
        + section(5, [b"\x00\x01"])  # one page of memory, which the host insists on
        + section(7, exports + [sized(b"memory") + b"\x02\x00"])
        + section(10, bodies)
    )
