"""Memory of `update_many` and of a job per pending SIM, all of it traced.

The vendor never finishes. Python's own memory is traced; what SQLite keeps is in its file.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from asyncsim import CallbackReceiver, Client, Hosts, Throttle, Watching, bulk
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.live.process import serving
from benchmarks.stub.responses import ACCOUNT, sid

Work = Callable[[Client, range], Coroutine[Any, Any, None]]
_FIRST = 50  # SIMs before the measured ones, so that one-time allocations are not measured
_NEVER = 1e9
# No sweeps meanwhile: a page being read is not memory of a wait.
_WATCHING = Watching(sweep_every=3600.0, safety_every=3600.0)


@asynccontextmanager
async def _client(url: str, called: bool) -> AsyncIterator[Client]:
    receiver = CallbackReceiver() if called else None
    hosts = Hosts(supersim=url)
    client = Client.twilio(
        ACCOUNT, "secret", hosts=hosts, watching=_WATCHING, receiver=receiver, throttle=_throttle()
    )
    async with client:
        yield client


def _throttle() -> Throttle:
    return Throttle(
        limit=32, maximum=32
    )  # few connections, since their memory is not that of waits


async def _many(client: Client, sims: range) -> None:
    wanted: SimUpdate = {"status": "active"}
    changes = ((sid(number), wanted) for number in sims)
    async for _ in client.supersim.sims.update_many(changes, window=len(sims)):
        raise AssertionError("the vendor must never finish")


async def _job(client: Client, sims: range) -> None:
    rows = map(sid, sims)
    job = bulk.Job.from_rows(rows, product="supersim", change={"status": "active"})
    with tempfile.TemporaryDirectory() as folder:
        async with bulk.Journal.open(Path(folder) / "job.db") as journal:
            await bulk.run(job, client, journal=journal, window=len(sims))


@asynccontextmanager
async def _pending(client: Client, work: Work, sims: range) -> AsyncIterator[None]:
    """Keep all SIMs pending."""
    enough = client.requests + len(sims)
    task = asyncio.create_task(work(client, sims))
    while client.requests < enough and not task.done():  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)  # until the last response is in the journal
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _weigh(url: str, work: Work, sims: int, called: bool) -> int:
    """Bytes of all pending SIMs, including their SIDs."""
    async with _client(url, called) as client:
        async with _pending(client, work, range(_FIRST)):
            pass
        gc.collect()
        tracemalloc.start()
        async with _pending(client, work, range(_FIRST, _FIRST + sims)):
            gc.collect()
            weight = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
    return weight


def _total(work: Work, called: bool, sims: int) -> int:
    with serving(ours=sims + _FIRST, single=0.001, page=0.001, row=0.0, median=_NEVER) as url:
        return asyncio.run(_weigh(url, work, sims, called))


_WAYS: dict[str, tuple[Work, bool]] = {
    "update_many": (_many, False),
    "update_many with callbacks": (_many, True),
    "a job": (_job, False),
    "a job with callbacks": (_job, True),
}


def weights(sims: int) -> dict[str, float]:
    """Bytes per pending SIM beyond its SID, for the second half of `sims` SIMs."""
    half, quarter = sims // 2, sims // 4  # these fill Python's dictionaries equally far
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:  # nothing is timed here
        totals = {
            name: [
                (number, pool.submit(_total, work, called, number))
                for number in ((quarter, half) if called else (half, sims))
            ]
            for name, (work, called) in _WAYS.items()
        }
        return {
            name: (all_.result() - some.result()) / (most - few) - sid(0).__sizeof__()
            for name, ((few, some), (most, all_)) in totals.items()
        }
