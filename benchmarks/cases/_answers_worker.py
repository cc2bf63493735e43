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


async def wrong(
    make: Callable[[str, int], AbstractAsyncContextManager[Verbs]], base: str, in_flight: int
) -> int:
    """Ask for so many Sims at once; how many answers were about another."""
    sids = [sid(number) for number in range(in_flight)]
    async with make(base, in_flight) as verbs, asyncio.timeout(60):
        got = await asyncio.gather(*map(verbs.fetch, sids))
    return sum(one != asked for one, asked in zip(got, sids, strict=True))


async def _count(base: str) -> dict[str, int]:
    found = {who: await wrong(make, base, _IN_FLIGHT) for who, make in _MAKERS.items()}
    return {"asked": _IN_FLIGHT, **found}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_count(f"http://127.0.0.1:{sys.argv[1]}"))))
