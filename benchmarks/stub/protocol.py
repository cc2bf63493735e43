"""The part of HTTP/1.1 that the measured clients need."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import cast

from benchmarks.stub.responses import PRODUCTS, Canned, page, response, sid
from benchmarks.workers import loop_factory

_FETCHED = {sid(0, one)[:2].encode(): Canned(200, "active", one) for one in PRODUCTS}
_ACCEPTED = {sid(0, one)[:2].encode(): Canned(202, "scheduled", one) for one in PRODUCTS}
_PATH = b"/v1/Sims/"
_LIST = response(200, page(1000))
_NOT_FOUND = response(404, b'{"code": 20404, "message": "not found", "status": 404}')


Write = Callable[[bytes], None]
Handler = Callable[[bytes, Write], None]
"""Takes a complete request and a function that writes its response, now or later."""


def canned(request: bytes, write: Write) -> None:
    """Respond at once, without keeping state."""
    line = request[: request.find(b"\r\n")]
    start = line.find(_PATH)
    if start < 0:
        write(_LIST if b"/v1/Sims" in line else _NOT_FOUND)
        return
    sid = line[start + len(_PATH) :][:34]
    write((_ACCEPTED if line.startswith(b"POST") else _FETCHED)[sid[:2]].about(sid))


class Connection(asyncio.Protocol):
    """One connection; each request is handled as soon as it is complete."""

    def __init__(self, handler: Handler = canned) -> None:
        self._waiting = b""
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's transport is not a subclass

    def data_received(self, data: bytes) -> None:
        data = self._waiting + data if self._waiting else data
        while data:
            length = _length_of(data)
            if length > len(data) or not length:
                break
            self._handler(data[:length], self._transport.write)
            data = data[length:]
        self._waiting = data


def serve(handler: Handler, certificate: str = "") -> None:
    """Serve on a free port, which is printed, until the process is ended.

    `certificate`: file of a certificate and its key, to serve over TLS; empty: plain HTTP.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(handler, certificate))


async def _serve(handler: Handler, certificate: str) -> None:
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(
        partial(Connection, handler), "127.0.0.1", 0, backlog=2048, ssl=tls
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _length_of(data: bytes) -> int:
    """Length of the first request; 0 while its head is incomplete."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or not data.startswith(b"POST"):
        return max(end, 0) if end >= 4 else 0
    head = data[:end].lower()
    start = head.find(b"content-length:")
    return end + int(head[start + 15 : head.find(b"\r\n", start)]) if start > 0 else end
