"""HTTP/1.1 as far as the clients measured here need it, at a few microseconds a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from benchmarks.loops import loop_factory
from benchmarks.stub.answers import Canned, answer, page

_FETCHED = Canned(200, "active")
_ACCEPTED = Canned(202, "scheduled")
_PATH = b"/v1/Sims/"
_LIST = answer(200, page(1000))
_NOTHING = answer(404, b'{"code": 20404, "message": "not found", "status": 404}')


Write = Callable[[bytes], None]
Answer = Callable[[bytes, Write], None]
"""Takes a whole request, and what its answer goes to: now, or later."""


def canned(request: bytes, write: Write) -> None:
    """Answer at once; nothing is kept of what was asked."""
    write(_answer(request))


class Answering(asyncio.Protocol):
    """One connection: each request is to be answered as soon as it is whole."""

    def __init__(self, answer: Answer = canned) -> None:
        self._waiting = b""
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        data = self._waiting + data if self._waiting else data
        while data:
            length = _length_of(data)
            if length > len(data) or not length:
                break
            self._answer(data[:length], self._transport.write)
            data = data[length:]
        self._waiting = data


def serve(answer: Answer) -> None:
    """Answer on a free port, which is printed, until the process is ended."""
    with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
        runner.run(_serve(answer))


async def _serve(answer: Answer) -> None:
    server = await asyncio.get_running_loop().create_server(
        partial(Answering, answer), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _length_of(data: bytes) -> int:
    """Bytes of the first request; 0 while its head is not whole."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or not data.startswith(b"POST"):
        return max(end, 0) if end >= 4 else 0
    head = data[:end].lower()
    start = head.find(b"content-length:")
    return end + int(head[start + 15 : head.find(b"\r\n", start)]) if start > 0 else end


def _answer(data: bytes) -> bytes:
    line = data[: data.find(b"\r\n")]
    start = line.find(_PATH)
    if start < 0:
        return _LIST if b"/v1/Sims" in line else _NOTHING
    start += len(_PATH)
    canned = _ACCEPTED if data.startswith(b"POST") else _FETCHED
    return canned.about(line[start : start + 34])
