"""`update_many` by a real client, in accelerated time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from asyncsim import Client, Hosts, Throttle
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.clock import FastClock
from benchmarks.live.process import counts, serving
from benchmarks.simulated.outcome import Waited, percentile
from benchmarks.simulated.vendor import Costs
from benchmarks.stub.responses import ACCOUNT, sid

_SLOTS = 100
_APART = 1.0  # real seconds between starts, when most of the work is done
_COSTS = Costs()


async def _known(client: Client, sims: int) -> dict[str, float]:
    changes: dict[str, SimUpdate] = {sid(one): {"status": "active"} for one in range(sims)}
    known: dict[str, float] = {}
    async for outcome in client.supersim.sims.update_many(changes, window=sims, timeout=3600):
        if outcome.error is not None:
            raise outcome.error
        known[outcome.sid] = time.monotonic()
    return known


async def _wait(url: str, sims: int, others: int, faster: float) -> Waited:
    throttle = Throttle(
        limit=_SLOTS, maximum=_SLOTS
    )  # the limit is known, so that only waiting is measured
    clock, hosts = FastClock(faster), Hosts(supersim=url)
    client = Client.twilio(ACCOUNT, "secret", hosts=hosts, throttle=throttle, clock=clock)
    began = time.monotonic()
    async with asyncio.timeout(300), client:
        known = await _known(client, sims)
    return _waited(await counts(url), known, others, began, faster)


def _waited(
    counted: dict[str, Any], known: dict[str, float], others: int, began: float, faster: float
) -> Waited:
    settled, meter, sims = counted["settled"], counted["meter"], len(known)
    assert known.keys() == settled.keys(), "a SIM was missed"
    delays = [(moment - settled[name]) * faster for name, moment in known.items()]
    assert min(delays) >= 0, "reported before it settled"
    reads, pages = meter["GET"] / sims, meter["list"] / sims
    return Waited(
        sims=sims,
        others=others,
        reads=reads,
        pages=pages,
        requests=reads + pages,
        slot_seconds=reads * _COSTS.single
        + pages * _COSTS.page
        + meter["rows"] / sims * _COSTS.row,
        p50=percentile(delays, 50),
        p99=percentile(delays, 99),
        worst=max(delays),
        seconds=(max(known.values()) - began) * faster,
    )


async def _case(sims: int, others: int, seed: int, faster: float) -> Waited:
    await asyncio.sleep(_APART * seed)
    phases = [(0.0, _SLOTS)]
    with serving(ours=sims, others=others, seed=seed, phases=phases, faster=faster) as url:
        return await _wait(url, sims, others, faster)


async def _all(sims: int, others: int, seeds: range, faster: float) -> list[Waited]:
    return await asyncio.gather(*(_case(sims, others, seed, faster) for seed in seeds))


def watch(sims: int, others: int, seeds: range, faster: float) -> list[Waited]:
    """Update `sims` SIMs and wait for all, with a vendor and a client per seed, concurrently.

    They wait most of the time. Figures are in the vendors' seconds.
    """
    return asyncio.run(_all(sims, others, seeds, faster))
