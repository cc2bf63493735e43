"""Counts wrong responses, for the benchmark `responses`; prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.peers.asyncsim_ import asyncsim_client
from benchmarks.peers.bare import bare
from benchmarks.peers.twilio_ import twilio, twilio_unpooled
from benchmarks.peers.verbs import Opener
from benchmarks.stub.responses import sid

_IN_FLIGHT = 200
_OPENERS: dict[str, Opener] = {
    "asyncsim": asyncsim_client,
    "bare aiohttp": bare,
    "twilio": twilio,
    "twilio, pool_connections=False": twilio_unpooled,
}


async def count_wrong(opener: Opener, base: str, in_flight: int) -> int:
    """Request many Sims at once; return how many responses were about another."""
    sids = [sid(number) for number in range(in_flight)]
    async with opener(base, in_flight, "supersim") as verbs, asyncio.timeout(60):
        got = await asyncio.gather(*map(verbs.fetch, sids))
    return sum(one != requested for one, requested in zip(got, sids, strict=True))


async def _count(base: str) -> dict[str, int]:
    found = {
        contender: await count_wrong(one, base, _IN_FLIGHT) for contender, one in _OPENERS.items()
    }
    return {"requested": _IN_FLIGHT, **found}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_count(f"http://127.0.0.1:{sys.argv[1]}"))))
