"""Counts wrong answers, for the benchmark `answers`; prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from benchmarks.peers.bare import bare
from benchmarks.peers.ours import ours
from benchmarks.peers.twilio_ import twilio, twilio_unpooled
from benchmarks.peers.verbs import Verbs
from benchmarks.stub.answers import sid

_IN_FLIGHT = 200
_MAKERS: dict[str, Callable[[str, int], AbstractAsyncContextManager[Verbs]]] = {
    "asyncsim": ours,
    "bare aiohttp": bare,
    "twilio": twilio,
    "twilio, pool_connections=False": twilio_unpooled,
}


async def _wrong(verbs: Verbs) -> int:
    sids = [sid(number) for number in range(_IN_FLIGHT)]
    async with asyncio.timeout(60):
        got = await asyncio.gather(*map(verbs.fetch, sids))
    return sum(one != asked for one, asked in zip(got, sids, strict=True))


async def _count(base: str) -> dict[str, int]:
    found = {}
    for who, make in _MAKERS.items():
        async with make(base, _IN_FLIGHT) as verbs:
            found[who] = await _wrong(verbs)
    return {"asked": _IN_FLIGHT, **found}


print(json.dumps(asyncio.run(_count(f"http://127.0.0.1:{sys.argv[1]}"))))
