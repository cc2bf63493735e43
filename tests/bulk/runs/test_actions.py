"""Jobs of the other actions: register, delete, reset, send."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import NotConfirmed, OutcomeUnknown
from asyncsim.bulk.records import State
from asyncsim.emulator import Faults
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import APIS, Api

SUPERSIM, WIRELESS = APIS[0], APIS[1]


def texts(env: JobEnv, path: str) -> list[Any]:
    return [
        one for one in env.harness.emulator.requests if one.method == "POST" and path in one.path
    ]


async def activated(open_env: OpenEnv, api: Api = SUPERSIM, **settings: Any) -> JobEnv:
    env = await open_env(api, sims=30, **settings)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    return env


async def test_a_reset_is_sent_once_and_awaited(open_env: OpenEnv) -> None:
    env = await activated(open_env, WIRELESS)
    report = await env.run(env.job(change={"reset_status": "resetting"}))
    assert report.ok
    assert set(env.posts().values()) == {1}


async def test_deleting_requires_confirming_the_exact_count(open_env: OpenEnv) -> None:
    env = await open_env(WIRELESS, sims=12)
    job = env.job(change=None, action="delete")
    with pytest.raises(NotConfirmed, match="deletes"):
        await env.run(job)
    assert (await env.run(job, confirm=12)).ok
    assert not env.harness.store


async def test_deletes_with_lost_responses_complete(open_env: OpenEnv) -> None:
    faults = Faults(dropped=0.4, share_processed=1.0, seed=5)
    env = await open_env(WIRELESS, sims=12, world={"faults": faults})
    job = env.job(change=None, action="delete")
    assert (await env.run(job, confirm=12)).ok
    assert not env.harness.store


@pytest.mark.parametrize("api", [SUPERSIM, WIRELESS], ids="-".join)
async def test_a_text_is_sent_to_every_sim(open_env: OpenEnv, api: Api) -> None:
    env = await activated(open_env, api)
    keyword = "payload" if api.product == "supersim" else "command"
    report = await env.run(env.job(change={keyword: "wake up"}, action="send"))
    assert report.ok
    assert len(texts(env, "Commands")) == 30


async def test_a_text_whose_response_is_lost_is_never_resent(
    open_env: OpenEnv,
) -> None:
    faults = Faults(dropped=0.3, share_processed=1.0, seed=3)
    env = await activated(open_env, world={"faults": faults})
    job = env.job(change={"payload": "wake up"}, action="send")
    report = await env.run(job)
    unknown = [name for name, state in (await env.states()).items() if state is State.UNKNOWN]
    assert unknown
    assert report.finished
    assert len(texts(env, "Commands")) == 30
    env.harness.emulator.faults = Faults()
    await env.run(job)
    assert len(texts(env, "Commands")) == 30
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    assert {type(one) for one in caught.value.exceptions} == {OutcomeUnknown}


async def test_a_text_to_a_sim_that_cannot_receive_fails(open_env: OpenEnv) -> None:
    env = await open_env(sims=12)
    report = await env.run(env.job(change={"payload": "wake up"}, action="send"))
    assert set((await env.states()).values()) == {State.FAILED}
    assert not report.ok


async def test_texts_still_pending_at_the_deadline_are_awaited_by_the_next_run(
    open_env: OpenEnv,
) -> None:
    env = await activated(open_env)
    job = env.job(change={"payload": "wake up"}, action="send")
    await env.run(job, timeout=0.001)
    assert set((await env.states()).values()) == {State.TIMED_OUT}
    assert (await env.run(job)).ok
    assert len(texts(env, "Commands")) == 30
