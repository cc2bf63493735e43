"""Serve on a free port, which is printed, until the process is ended."""

from __future__ import annotations

import asyncio

from benchmarks.loops import loop_factory
from benchmarks.stub.protocol import Answering


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
    runner.run(_serve())
