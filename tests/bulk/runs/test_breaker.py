"""Runs that the circuit breaker stops."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import Throttle
from asyncsim.bulk.records import State
from asyncsim.emulator import Faults
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api

THROTTLE = Throttle(limit=4, maximum=4)


async def without_fleet(open_env: OpenEnv, sims: int = 200) -> JobEnv:
    """New SIMs that cannot be activated, because they have no Fleet (83007)."""
    env = await open_env(sims=sims, throttle=THROTTLE)
    for sid in env.harness.sids:
        env.harness.put(sid, fleet_sid=None)
    return env


async def test_equal_refusals_stop_the_job_and_say_what_to_check(open_env: OpenEnv) -> None:
    env = await without_fleet(open_env)
    report = await env.run(env.job())
    assert report.stopped == "breaker"
    assert report.advice is not None
    assert report.advice.startswith("20 SIMs in a row were rejected in the same way (")
    assert "83007" in report.advice
    assert "have a Fleet" in report.advice
    assert not report.finished
    refused = report.states[State.FAILED]
    assert 20 <= refused <= 20 + 4 * 2 + 16  # with those in flight
    assert set(report.states) == {State.FAILED, State.READY}


async def test_the_next_run_goes_on_and_a_retry_completes_the_job(open_env: OpenEnv) -> None:
    env = await without_fleet(open_env, sims=60)
    first = await env.run(env.job())
    second = await env.run(env.job())
    assert second.stopped == "breaker"
    assert second.states[State.FAILED] > first.states[State.FAILED]
    fleet = env.harness.emulator.world("twilio").fleets
    for sid in env.harness.sids:
        env.harness.put(sid, fleet_sid=next(iter(fleet)))
    report = await env.run(None, retry_failed=True)
    assert report.ok
    assert {sim.status for sim in env.harness.store.values()} == {"active"}


async def test_it_can_be_set_and_switched_off(open_env: OpenEnv) -> None:
    env = await without_fleet(open_env, sims=60)
    few = await env.run(env.job(), breaker=5)
    assert few.states[State.FAILED] < 5 + 4 * 2 + 16
    off = await env.run(env.job(), breaker=None)
    assert (off.stopped, off.states) == (None, {State.FAILED: 60})
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="breaker"):
            await env.run(env.job(), breaker=wrong)


async def test_some_refusals_among_accepted_changes_do_not_stop_the_job(open_env: OpenEnv) -> None:
    env = await open_env(sims=200)
    refused = env.harness.sids[::4]
    for sid in refused:
        env.harness.put(sid, fleet_sid=None)
    report = await env.run(env.job())
    assert report.stopped is None
    assert report.states == {State.FAILED: 50, State.DONE: 150}


@pytest.mark.parametrize(
    "faults",
    [Faults(seed=7, rate_limited=0.5), Faults(seed=7, server_errors=0.5)],
    ids=["429", "5xx"],
)
async def test_throttled_and_failed_requests_never_trip_it(
    open_env: OpenEnv, faults: Faults
) -> None:
    env = await open_env(sims=60, world={"faults": faults})
    report = await env.run(env.job(), breaker=1)
    assert report.stopped is None
    assert report.ok


async def test_accepted_changes_that_all_fail_stop_a_job_before_all_are_sent(
    open_env: OpenEnv,
) -> None:
    world: Any = {"faults": Faults(failing_updates=1.0)}
    env = await open_env(Api("twilio", "wireless"), sims=200, world=world)
    report = await env.run(env.job(), window=40)
    assert report.stopped == "breaker"
    assert report.advice is not None
    assert "not carried out" in report.advice
    assert sum(env.posts().values()) < 120


async def test_it_is_named_although_the_limit_was_reached_before(open_env: OpenEnv) -> None:
    env = await without_fleet(open_env, sims=60)
    report = await env.run(env.job(), breaker=5, limit=10)
    assert report.stopped == "breaker"
