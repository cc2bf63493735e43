"""Several accounts, and jobs of different lengths, side by side in one worker."""

from __future__ import annotations

from asyncsim.emulator import Faults
from tests.bulk.workers.conftest import WATCHING, OpenYard


async def test_a_short_job_is_not_held_up_by_a_long_one_before_it(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=60, faults=Faults(answer_takes=0.1))
    await yard.submit(yard.sids[:50], name="long", chunk_rows=5)
    await yard.submit(yard.sids[50:], name="short", chunk_rows=5)
    worker = await yard.work(at_once=1)

    async def both_finished() -> bool:
        return {one["state"] for one in await yard.rows("SELECT state FROM asyncsim.jobs")} == {
            "finished"
        }

    await yard.until(both_finished, within=60.0)
    await worker.finish()
    taken = [(one.job, one.chunk) for one in worker.chunks_taken]
    assert taken.index(("short", 0)) < taken.index(("long", 5))


async def test_one_account_does_not_take_all_places_of_a_worker(open_yard: OpenYard) -> None:
    yard = await open_yard(sims=40, transition=1.0)
    await yard.submit(chunk_rows=5)
    other = await yard.stack.enter_async_context(yard.emulator.client("kore", watching=WATCHING))
    sims = list(yard.emulator.world("kore").sims("supersim"))
    await yard.submit(sims, name="other", chunk_rows=5, client=other)
    worker = await yard.work(at_once=2, more=[other])

    async def both_finished() -> bool:
        return {one["state"] for one in await yard.rows("SELECT state FROM asyncsim.jobs")} == {
            "finished"
        }

    await yard.until(both_finished, within=60.0)
    await worker.finish()
    assert {one.job for one in worker.chunks_taken[:2]} == {"job", "other"}
