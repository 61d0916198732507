"""Clients that write what they are told, byte by byte, and a listener that shows what arrives.

Any library would refuse, repair or reorder most of what spellings.py makes.
"""

import asyncio
import base64
import json
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import h2.exceptions

# Seconds for one answer.
PATIENCE = 5


@dataclass(frozen=True)
class Answer:
    """A status of 0: the connection ended without one."""

    status: int
    headers: tuple = ()

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)


NONE = Answer(0)
LATE = Answer(0, (("late", "yes"),))


def http1(request):
    """The bytes of a request over HTTP/1.1."""
    lines = [b"%s %s HTTP/1.1" % (request.method, request.target), *(b"host: " + host for host in request.hosts)]
    lines += [b"%s: %s" % header for header in request.headers]
    if request.trailers:
        body = b"%x\r\n%s\r\n0\r\n" % (len(request.body), request.body) if request.body else b"0\r\n"
        body += b"".join(b"%s: %s\r\n" % trailer for trailer in request.trailers) + b"\r\n"
        lines += [b"transfer-encoding: chunked"]
    else:
        body = request.body
        if body or request.method.upper() in (b"POST", b"PUT", b"PATCH"):
            lines += [b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def parsed(head):
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [line.split(":", 1) for line in lines if ":" in line]
    return Answer(int(first.split()[1]), tuple((name.lower(), value.strip()) for name, value in headers))


async def over_http1(port, request, upstream):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        head, body = http1(request).split(b"\r\n", 1)
        writer.write(head + b"\r\nx-upstream: " + upstream.encode() + b"\r\n" + body)
        while True:
            answer = parsed((await reader.readuntil(b"\r\n\r\n"))[:-4])
            if answer.status != 100:
                return answer
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
        return NONE
    finally:
        writer.close()


async def over_http2(port, request, upstream):
    settings = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False
    )
    connection = h2.connection.H2Connection(settings)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        connection.initiate_connection()
        authority = request.hosts[0] if request.hosts else b""
        headers = [
            (b":method", request.method), (b":scheme", b"http"), (b":authority", authority),
            (b":path", request.target), *((b"host", host) for host in request.hosts[1:]),
            (b"x-upstream", upstream.encode()), *request.headers,
        ]  # fmt: skip
        more = request.body or request.trailers
        connection.send_headers(1, headers, end_stream=not more)
        if more:
            connection.send_data(1, request.body, end_stream=not request.trailers)
        if request.trailers:
            connection.send_headers(1, list(request.trailers), end_stream=True)
        writer.write(connection.data_to_send())
        while octets := await reader.read(65536):
            for event in connection.receive_data(octets):
                if isinstance(event, h2.events.ResponseReceived):
                    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                    return Answer(int(dict(fields)[":status"]), tuple(fields))
                if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    return NONE
            writer.write(connection.data_to_send())
        return NONE
    except (OSError, h2.exceptions.ProtocolError, ValueError, KeyError):
        return NONE
    finally:
        writer.close()


async def ask(port, request, upstream):
    send = over_http2 if request.http2 else over_http1
    try:
        return await asyncio.wait_for(send(port, request, upstream), PATIENCE)
    except TimeoutError:
        return LATE


async def mirror(reader, writer):
    """Answers with the very bytes that Envoy sent, head and trailers."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line]
        framing = {name.lower(): value.strip().lower() for name, value in fields}
        rest = b""
        if framing.get(b"transfer-encoding") == b"chunked":
            while size := int(await reader.readline(), 16):
                rest += (await reader.readexactly(size + 2))[:-2]
            while (line := await reader.readline()) not in (b"\r\n", b""):
                rest += b"\ntrailer " + line
        else:
            rest = await reader.readexactly(int(framing.get(b"content-length", 0)))
        shown = base64.b64encode(head + rest)
        saw = json.dumps({"handler": "mirror"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n")
        writer.write(b"x-saw: %s\r\nx-bytes: %s\r\n\r\n" % (saw, shown))
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()
