"""How soon the chunks of dead workers move, at the speed of production: some minutes.

Run by `nox -s machines`.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from functools import partial

import pytest

from tests.bulk.workers.conftest import OpenYard, RunningWorker, Yard

ROUNDS = 8


async def has_all(yard: Yard, owner: RunningWorker) -> bool:
    chunks = await yard.chunks()
    return all(chunks[number]["owner"] == owner.worker.owner for number in range(1, 5))


@pytest.mark.timeout(300)
async def test_chunks_of_dead_workers_move_within_6_and_10_seconds(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=40, transition=600.0)
    await yard.submit(chunk_rows=10)
    owner = await yard.work(at_once=4)
    moved: list[float] = []
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS):
        await yard.until(partial(has_all, yard, owner))
        heir = await yard.work(at_once=4)
        await asyncio.sleep(1.0 + chance.random() * 2.0)  # any moment between two heartbeats
        dead = owner.worker.owner
        killed_at = loop.time()
        killing = asyncio.create_task(owner.kill())
        left = {1, 2, 3, 4}
        while left:
            chunks = await yard.chunks()
            gone = {n for n in left if chunks[n]["owner"] not in (dead, None)}
            moved += [loop.time() - killed_at] * len(gone)
            left -= gone
            assert loop.time() - killed_at < 30.0
            await asyncio.sleep(0.05)
        await killing
        yard.workers.remove(owner)
        owner = heir
    print(f"{yard.dispatch}: median {statistics.median(moved):.1f} s, worst {max(moved):.1f} s")
    assert statistics.median(moved) <= 6.0
    assert max(moved) <= 10.0
