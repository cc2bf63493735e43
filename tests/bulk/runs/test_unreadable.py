"""SIMs whose record cannot be read, among others: the job names them, and all others go on."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.bulk.records import State, Verdict
from asyncsim.errors import JobError
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api

MANY = 40


def spoil(env: JobEnv, sid: str, **more: Any) -> None:
    """Let the vendor show a record whose account is a list."""
    env.harness.put(sid, account_sid=[7], **more)


@pytest.mark.parametrize("naming", ["sid", "iccid"])
@pytest.mark.parametrize("sims", [MANY, 4], ids=["found in the list", "looked up"])
async def test_a_row_whose_sim_cannot_be_read_is_named_and_the_others_go_on(
    open_env: OpenEnv, sims: int, naming: str
) -> None:
    env = await open_env(sims=sims)
    odd = env.harness.sids[2]
    spoil(env, odd)
    rows = [{naming: getattr(one, naming)} for one in env.harness.store.values()]
    report = await env.run(env.job(rows))
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.CHANGE: sims - 1, Verdict.UNREADABLE: 1}
    assert report.states == {State.DONE: sims - 1, State.IMPOSSIBLE: 1}
    assert odd not in env.posts()
    (error,) = report.errors
    assert isinstance(error, JobError)
    assert f"cannot read Sim {odd}: expected text, got [7]" in str(error)
    assert "nothing was sent" in str(error)
    (shortfall,) = report.shortfalls
    assert (shortfall.reason, shortfall.rows) == ("unreadable", 1)


async def test_once_it_can_be_read_the_same_job_changes_it(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=MANY)
    odd, account = env.harness.sids[2], env.harness.store[env.harness.sids[2]].account_sid
    spoil(env, odd)
    assert not (await env.run(env.job())).ok
    env.harness.put(odd, account_sid=account)
    assert (await env.run(env.job())).ok
    assert env.posts()[odd] == 1


async def test_what_was_sent_before_it_became_unreadable_is_not_called_impossible(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=MANY)
    odd, account = env.harness.sids[2], env.harness.store[env.harness.sids[2]].account_sid
    assert not (await env.run(env.job(), timeout=0.5)).ok
    spoil(env, odd)
    report = await env.run(env.job(), timeout=60)
    assert report.states[State.DONE] == MANY - 1
    assert (await env.states())[odd] is not State.IMPOSSIBLE
    env.harness.put(odd, account_sid=account)
    assert (await env.run(env.job())).ok
    assert env.posts()[odd] == 1


@pytest.mark.parametrize("action", ["send", "delete"])
async def test_an_action_that_needs_no_status_is_carried_out(
    open_env: OpenEnv, action: str
) -> None:
    api = Api("twilio", "supersim" if action == "send" else "wireless")
    env = await open_env(api, sims=MANY)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active" if action == "send" else "new")
    spoil(env, env.harness.sids[2])
    change = {"payload": "reboot"} if action == "send" else {}
    options = {"confirm": MANY} if action == "delete" else {}
    report = await env.run(env.job(change=change, action=action), **options)
    assert report.ok, report.errors


async def test_a_row_of_the_list_that_names_no_sim_makes_no_sim_unknown(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=MANY)
    sims = env.harness.sims
    read = sims.resource.parse_page

    def nameless(reply: Any) -> Any:
        page = read(reply)
        page.rows[5].update(sid=None, iccid=None)
        return page

    sims.resource.parse_page = nameless
    sims.resource._read_page_fast = lambda body: None
    report = await env.run(env.job())
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.CHANGE: MANY}
    assert report.plan.requests == 2  # the list, and the one that it did not name
