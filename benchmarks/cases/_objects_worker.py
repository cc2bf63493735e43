"""Objects per request in flight, for the benchmark `growth`; prints JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from asyncsim import Client, Hosts, Throttle
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.peers.asyncsim_ import asyncsim_client
from benchmarks.peers.bare import bare
from benchmarks.peers.verbs import ACCOUNT, TOKEN
from benchmarks.stub.process import counts
from benchmarks.stub.responses import sid

_MANY = 500
_ALL = {"GET": 0, "POST": _MANY + 1, "throttled": 0}  # in flight at a slow vendor

Send = Callable[[range], Awaitable[None]]


@asynccontextmanager
async def _gathering(base: str, contender: str) -> AsyncIterator[Send]:
    async with {"bare aiohttp": bare, "update": asyncsim_client}[contender](base, _MANY) as verbs:

        async def send(numbers: range) -> None:
            found = await asyncio.gather(*(verbs.update(sid(number)) for number in numbers))
            assert found == [sid(number) for number in numbers]

        yield send


@asynccontextmanager
async def _update_many(base: str) -> AsyncIterator[Send]:
    throttle = Throttle(limit=_MANY)
    hosts = Hosts(supersim=base)
    async with Client.twilio(ACCOUNT, TOKEN, hosts=hosts, throttle=throttle) as client:
        active: SimUpdate = {"status": "active"}

        def changes(numbers: range) -> Iterator[tuple[str, SimUpdate]]:
            return ((sid(number), active) for number in numbers)

        async def send(numbers: range) -> None:
            async for outcome in client.supersim.sims.update_many(changes(numbers)):
                assert outcome.ok, outcome

        yield send


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def _measure(port: int, contender: str) -> float:
    base = f"http://127.0.0.1:{port}"
    opened = _update_many(base) if contender == "update_many" else _gathering(base, contender)
    async with asyncio.timeout(60), opened as send:
        await send(range(1))  # objects that are created once
        before = _objects()
        work = asyncio.ensure_future(send(range(1, _MANY + 1)))
        while await asyncio.to_thread(counts, port) != _ALL:  # noqa: ASYNC110  # nothing else runs in this process
            await asyncio.sleep(0.05)
        kept = _objects() - before
        await work
    return kept / _MANY


print(json.dumps(asyncio.run(_measure(int(sys.argv[1]), sys.argv[2]))))
