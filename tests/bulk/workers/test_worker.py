"""Workers on a real PostgreSQL, with both dispatchers."""

from __future__ import annotations

from asyncsim.bulk.records import State
from tests.bulk.workers.conftest import Yard


async def test_two_workers_share_a_job_and_one_of_them_verifies_it(yard: Yard) -> None:
    await yard.submit()
    first, second = await yard.work(at_once=1), await yard.work(at_once=1)
    await yard.until_state("finished")
    await first.finish()
    await second.finish()
    assert await yard.states() == {State.DONE: 30}
    assert set(yard.posts().values()) == {1}
    assert len(yard.posts()) == 30
    assert sorted(first.taken + second.taken) == [0, 1, 2, 3]
    assert (first.taken + second.taken).count(0) == 1
    assert {one["state"] for one in (await yard.chunks()).values()} == {"done"}
