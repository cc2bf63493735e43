"""What a run needs confirmed: irreversible changes, and SIMs that become billable."""

from __future__ import annotations

import pytest

from asyncsim import NotConfirmed, bulk
from asyncsim.events import JobPlanned
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import Api


async def planned(env: JobEnv, job: bulk.Job, **options: int) -> bulk.Plan:
    plan = (await env.run(job, dry_run=True, **options)).plan
    assert plan is not None
    return plan


async def test_the_plan_counts_the_sims_that_become_billable(env: JobEnv) -> None:
    names = env.harness.sids
    for sid in names[:10]:
        env.harness.put(sid, status="active")
    for sid in names[10:15]:
        env.harness.put(sid, status="inactive")
    plan = await planned(env, env.job())
    assert (plan.billable, plan.billable_later, plan.to_confirm) == (20, 0, 0)
    assert [event.billable for event in env.events_of(JobPlanned)] == [20]


async def test_ready_sims_become_billable_later(env: JobEnv) -> None:
    plan = await planned(env, env.job(change={"status": "ready"}))
    assert (plan.billable, plan.billable_later) == (0, 30)


async def test_suspended_sims_of_programmable_wireless_become_billable_later(
    open_env: OpenEnv,
) -> None:
    env = await open_env(Api("kore", "wireless"), sims=12)
    for sid in env.harness.sids[:4]:
        env.harness.put(sid, status="active")
    plan = await planned(env, env.job(change={"status": "suspended"}))
    assert (plan.billable, plan.billable_later) == (0, 8)


async def test_a_job_that_changes_no_status_makes_no_sim_billable(env: JobEnv) -> None:
    job = env.job(
        [{"sid": sid, "unique_name": f"van {n}"} for n, sid in enumerate(env.harness.sids)],
        change=None,
    )
    plan = await planned(env, job, confirm_above=0)
    assert (plan.billable, plan.billable_later, plan.to_confirm) == (0, 0, 0)


async def test_more_billable_sims_than_allowed_require_their_exact_count(env: JobEnv) -> None:
    for confirm in (None, 29, lambda plan: plan.to_confirm != 30):
        with pytest.raises(NotConfirmed, match="makes SIMs billable") as caught:
            await env.run(env.job(), confirm=confirm, confirm_above=29)
        assert caught.value.count == 30
    assert not env.posts()
    assert (await planned(env, env.job(), confirm_above=29)).to_confirm == 30
    stopped = await env.run(env.job(), confirm=30, confirm_above=3, limit=5)
    assert stopped.stopped == "limit"
    assert (await env.run(env.job(), confirm_above=0)).ok  # one confirmation for all thirty


async def test_as_many_as_allowed_need_no_confirmation(env: JobEnv) -> None:
    assert (await env.run(env.job(), confirm_above=30)).ok


async def test_a_trial_with_few_sims_needs_no_confirmation(env: JobEnv) -> None:
    report = await env.run(env.job(), confirm_above=10, limit=10)
    assert report.stopped == "limit"
    with pytest.raises(NotConfirmed) as caught:
        await env.run(env.job(), confirm_above=10)
    assert caught.value.count == 20


async def test_irreversible_and_billable_changes_are_confirmed_together(open_env: OpenEnv) -> None:
    env = await open_env(Api("twilio", "wireless"), sims=12)
    targets = ["deactivated"] * 4 + ["active"] * 8
    rows = [{"sid": s, "status": t} for s, t in zip(env.harness.sids, targets, strict=True)]
    job = env.job(rows, change=None)
    with pytest.raises(NotConfirmed) as caught:
        await env.run(job, confirm_above=5)
    assert str(caught.value) == (
        "this deactivates SIMs, which is irreversible and makes SIMs billable (a monthly fee"
        " starts): 12 SIMs; nothing was sent: confirm exactly 12"
    )
    with pytest.raises(NotConfirmed) as caught:
        await env.run(job, confirm_above=8)
    assert caught.value.count == 4
    assert (await env.run(job, confirm=12, confirm_above=5)).ok


async def test_an_impossible_limit_is_rejected(env: JobEnv) -> None:
    with pytest.raises(ValueError, match="confirm_above"):
        await env.run(env.job(), confirm_above=-1)
