"""A raw TCP server, which may write anything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]]
"""Given the head of a request; True keeps the connection open."""


@define
class Raw:
    """What a raw server has seen."""

    port: int = 0
    heads: list[bytes] = field(factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_server(
    handle: Handler | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Raw]:
    """Serve; without a handler, connections are accepted and nothing is read or written."""
    raw = Raw()
    open_ones: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        open_ones.add(writer)
        try:
            while handle is not None:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [
                    int(line.partition(b":")[2])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ]
                await reader.readexactly(length[0] if length else 0)
                raw.heads.append(head)
                if not await handle(head, writer):
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.sleep(0)


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Encode a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
