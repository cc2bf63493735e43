"""SIMs with malformed records: the job names them and continues with the others."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.bulk.records import State, Verdict
from asyncsim.errors import JobError
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api

MANY = 40


def malform(env: JobEnv, sid: str, **more: Any) -> None:
    """Make the vendor return a record whose account_sid is a list."""
    env.harness.put(sid, account_sid=[7], **more)


@pytest.mark.parametrize("naming", ["sid", "iccid"])
@pytest.mark.parametrize("sims", [MANY, 4], ids=["found in the list", "looked up"])
async def test_a_row_with_a_malformed_record_is_named_and_the_others_continue(
    open_env: OpenEnv, sims: int, naming: str
) -> None:
    env = await open_env(sims=sims)
    malformed = env.harness.sids[2]
    malform(env, malformed)
    rows = [{naming: getattr(one, naming)} for one in env.harness.store.values()]
    report = await env.run(env.job(rows))
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.CHANGE: sims - 1, Verdict.UNREADABLE: 1}
    assert report.states == {State.DONE: sims - 1, State.IMPOSSIBLE: 1}
    assert malformed not in env.posts()
    (error,) = report.errors
    assert isinstance(error, JobError)
    assert f"cannot read Sim {malformed}: expected text, got [7]" in str(error)
    assert "nothing was sent" in str(error)
    (shortfall,) = report.shortfalls
    assert (shortfall.reason, shortfall.rows) == ("unreadable", 1)


async def test_the_same_job_changes_the_sim_once_its_record_is_readable(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=MANY)
    malformed, account = env.harness.sids[2], env.harness.store[env.harness.sids[2]].account_sid
    malform(env, malformed)
    assert not (await env.run(env.job())).ok
    env.harness.put(malformed, account_sid=account)
    assert (await env.run(env.job())).ok
    assert env.posts()[malformed] == 1


async def test_a_row_sent_before_its_record_became_malformed_is_not_impossible(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=MANY)
    malformed, account = env.harness.sids[2], env.harness.store[env.harness.sids[2]].account_sid
    assert not (await env.run(env.job(), timeout=0.5)).ok
    malform(env, malformed)
    report = await env.run(env.job(), timeout=60)
    assert report.states[State.DONE] == MANY - 1
    assert (await env.states())[malformed] is not State.IMPOSSIBLE
    env.harness.put(malformed, account_sid=account)
    assert (await env.run(env.job())).ok
    assert env.posts()[malformed] == 1


@pytest.mark.parametrize("action", ["send", "delete"])
async def test_an_action_that_needs_no_status_ignores_malformed_records(
    open_env: OpenEnv, action: str
) -> None:
    api = Api("twilio", "supersim" if action == "send" else "wireless")
    env = await open_env(api, sims=MANY)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active" if action == "send" else "new")
    malform(env, env.harness.sids[2])
    change = {"payload": "reboot"} if action == "send" else {}
    options = {"confirm": MANY} if action == "delete" else {}
    report = await env.run(env.job(change=change, action=action), **options)
    assert report.ok, report.errors


async def test_a_list_row_without_a_sid_makes_no_sim_unknown(
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
    assert report.plan.requests == 2  # the list, and a read of the SIM it did not name
