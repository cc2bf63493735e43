"""Run under valgrind by the benchmark `requests`: a turn of each verb, marked."""

from __future__ import annotations

import asyncio
import gc
import sys

from benchmarks.callgrind import mark
from benchmarks.checking import keeping
from benchmarks.variants import begin

_PIECES = 300


async def _count(base: str) -> None:
    from benchmarks.peers.bare import bare
    from benchmarks.peers.ours import ours

    for make in (bare, ours):
        async with make(base, 32) as verbs:
            for verb in (verbs.fetch, verbs.update):
                turn = keeping(verb, 32)
                await turn(_PIECES)
                gc.collect()
                gc.freeze()  # or a full collection falls into one turn and not into another
                mark()
                await turn(_PIECES)
                mark()


begin(sys.argv[2])
asyncio.run(_count(f"http://127.0.0.1:{sys.argv[1]}"))
