"""A load balancer in front of the receivers, such as a Service of Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Sequence

_PIECE = 1 << 16


@contextlib.asynccontextmanager
async def balanced(port: int, backends: Sequence[int]) -> AsyncGenerator[None, None]:
    """Pass connections to `port` on to these ports in turn; a dead one is left out."""
    turns = itertools.count()
    open_ones: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = next(turns)
        order = [backends[(turn + place) % len(backends)] for place in range(len(backends))]
        open_ones.add(writer)
        try:
            for backend in order:
                try:
                    inner, outer = await asyncio.open_connection("127.0.0.1", backend)
                except OSError:
                    continue
                await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
                return
        finally:
            open_ones.discard(writer)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await server.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until either side has closed."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()
