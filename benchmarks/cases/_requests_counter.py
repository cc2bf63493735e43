"""Run under valgrind by the benchmark `requests`: a marked turn of each contender; see `COUNTED`.

`BASE_URL`: of the stub.
"""

from __future__ import annotations

import asyncio
import gc
import sys

from benchmarks.callgrind import mark
from benchmarks.peers.asyncsim_ import asyncsim_client
from benchmarks.peers.bare import bare
from benchmarks.peers.verbs import Opener, send
from benchmarks.workers import loop_factory

_REQUESTS, _IN_FLIGHT = 300, 32
_OPENERS: dict[str, Opener] = {"bare aiohttp": bare, "asyncsim": asyncsim_client}

COUNTED = [
    (product, verb, speed, contender)
    for product in ("wireless", "supersim")
    for speed in (False, True)
    for contender in _OPENERS
    for verb in ("fetch", "update")
]
"""The turns counted, in this order."""


async def _count(base: str, product: str, verb: str, contender: str) -> None:
    async with _OPENERS[contender](base, _IN_FLIGHT, product) as verbs:
        one = getattr(verbs, verb)
        await send(one, _REQUESTS, _IN_FLIGHT, product)
        gc.collect()
        gc.freeze()  # otherwise a full collection would hit some turns only
        mark()
        await send(one, _REQUESTS, _IN_FLIGHT, product)
        mark()


if __name__ == "__main__":
    for product, verb, speed, contender in COUNTED:
        with asyncio.Runner(loop_factory=loop_factory(speed=speed)) as runner:
            runner.run(_count(sys.argv[1], product, verb, contender))
