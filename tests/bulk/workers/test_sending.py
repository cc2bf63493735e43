"""Rows of one chunk: sent under a lease, and at the pace of their client."""

from __future__ import annotations

import asyncio

import pytest

from asyncsim.bulk.errors import LeaseLost
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.lease import Lease
from asyncsim.bulk.phases import Phases
from asyncsim.bulk.records import State
from asyncsim.bulk.send import Limits, SendPace
from asyncsim.bulk.tasks import JobTask, StopSignal
from asyncsim.emulator import Faults
from asyncsim.resources.fan_out import FanOut
from tests.bulk.runs.conftest import OpenEnv, open_env

__all__ = ["open_env"]

LIMITS = Limits(100, None, None, None, None, None, None)


async def test_texts_that_were_not_sent_before_the_lease_ended_may_be_sent_by_others(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=10)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    job = env.job(change={"payload": "reset"}, action="send")
    await env.run(job, dry_run=True)
    lease = Lease(env.harness.clock, seconds=DEAD_AFTER)
    stop = StopSignal()

    async def send() -> None:
        async with env.journal() as journal:
            phases = Phases(env.harness.client, journal, [], LIMITS, stop, lease=lease)
            task = JobTask(env.harness.client, job.product, job.action, job.change)
            lease.end()
            await phases.send(task)

    await env.complete(send())
    assert isinstance(stop.error, LeaseLost)
    assert not stop.error.sent
    assert set((await env.states()).values()) == {State.READY}
    assert not [one for one in env.harness.emulator.requests if one.method == "POST"]
    assert (await env.run(job)).ok


async def test_a_sender_that_is_cancelled_twice_leaves_nothing_counted_at_its_client(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=10, world={"faults": Faults(answer_takes=60.0)})
    job, pace = env.job(), SendPace()
    await env.run(job, dry_run=True)

    async def send() -> None:
        async with env.journal() as journal:
            phases = Phases(env.harness.client, journal, [], LIMITS, StopSignal(), pace=pace)
            await phases.send(JobTask(env.harness.client, job.product, job.action, job.change))

    sending = asyncio.ensure_future(send())
    while pace.in_flight.total() < 10:
        await env.harness.clock.advance(0.05)

    def cancel_again(fan_out: FanOut[object]) -> None:
        asyncio.get_running_loop().call_soon(sending.cancel)  # while it waits for the first one
        cancel(fan_out)

    cancel = FanOut.cancel
    monkeypatch.setattr(FanOut, "cancel", cancel_again)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await env.complete(sending)
    assert pace.in_flight.total() == 0
