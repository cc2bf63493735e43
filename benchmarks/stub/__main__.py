"""Serve on a free port, which is printed, until the process is ended.

Canned answers; with the terms of a vendor as JSON, that vendor.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial

from benchmarks.loops import loop_factory
from benchmarks.stub.protocol import Answer, Answering, canned
from benchmarks.stub.vendor import Terms, Vendor


async def _serve(answer: Answer) -> None:
    server = await asyncio.get_running_loop().create_server(
        partial(Answering, answer), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
    terms = sys.argv[1:]
    runner.run(_serve(Vendor(Terms(**json.loads(terms[0]))) if terms else canned))
