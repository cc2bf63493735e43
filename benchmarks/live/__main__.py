"""`python -m benchmarks.live OPTIONS` (JSON): serve on a free port, which is printed."""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.live.account import Account, Pace
from benchmarks.live.protocol import Serving
from benchmarks.loops import loop_factory


async def _serve() -> None:
    options = json.loads(sys.argv[1])
    phases = tuple((start, many) for start, many in options.pop("phases"))
    ours, others, seed = (options.pop(name) for name in ("ours", "others", "seed"))
    account = Account(ours, others, Pace(phases=phases, **options), seed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Serving(account), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
    runner.run(_serve())
