"""Rows that are sent under a lease which ends before their requests are written."""

from __future__ import annotations

from asyncsim.bulk.errors import LeaseLost
from asyncsim.bulk.lease import Lease
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.records import State
from asyncsim.bulk.send import Limits
from asyncsim.bulk.tasks import JobTask, StopSignal
from tests.bulk.runs.conftest import OpenEnv, open_env

__all__ = ["open_env"]


async def test_texts_that_were_not_sent_before_the_lease_ended_may_be_sent_by_others(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=10)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    job = env.job(change={"payload": "reset"}, action="send")
    await env.run(job, dry_run=True)
    lease = Lease(env.harness.clock)
    stop = StopSignal()

    async def send() -> None:
        async with env.journal() as journal:
            limits = Limits(100, None, None, None, None, None, None)
            phases = Phases(env.harness.client, journal, [], limits, stop, lease=lease)
            task = JobTask(env.harness.client, job.product, job.action, job.change)
            lease.end()
            await phases.send(task)

    await env.complete(send())
    assert isinstance(stop.error, LeaseLost)
    assert not stop.error.sent
    assert set((await env.states()).values()) == {State.READY}
    assert not [one for one in env.harness.emulator.requests if one.method == "POST"]
    assert (await env.run(job)).ok
