"""Jobs that change SIMs: planned, sent, awaited, run again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from asyncsim import (
    AuthenticationError,
    ClientClosed,
    JobError,
    JobStopped,
    JournalError,
    NotConfirmed,
    Throttle,
    TransitionFailed,
    bulk,
)
from asyncsim.bulk.records import State, Verdict
from asyncsim.emulator import Faults
from asyncsim.emulator.app import RequestHandler
from asyncsim.emulator.errors import VendorError
from asyncsim.events import JobEnded, JobPlanned, RowMoved
from tests.bulk.runs.conftest import ACTIVE, JobEnv, OpenEnv
from tests.integration.harness import APIS, TRANSITION, Api

WIRELESS = Api("twilio", "wireless")


@pytest.mark.parametrize("api", APIS, ids="-".join)
@pytest.mark.parametrize("listens", [False, True], ids=["asks", "listens"])
async def test_a_job_brings_every_sim_to_its_goal(
    open_env: OpenEnv, api: Api, listens: bool
) -> None:
    env = await open_env(api, sims=30, listens=listens)
    report = await env.run(env.job())
    assert report.ok
    assert report.finished
    assert report.stopped is None
    assert {sim.status for sim in env.harness.store.values()} == {"active"}
    assert set(env.posts().values()) == {1}
    report.raise_for_failures()


async def test_iccids_are_found_by_one_walk(env: JobEnv) -> None:
    iccids = [sim.iccid for sim in env.harness.store.values()]
    report = await env.run(env.job(iccids))
    assert report.ok
    assert report.plan is not None
    assert report.plan.requests == 1
    assert report.plan.verdicts == {Verdict.CHANGE: 30}


async def test_what_callbacks_said_is_verified_by_a_walk_in_the_end(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, listens=True)
    report = await env.run(env.job())
    assert report.ok
    assert report.statistics.settled_by == {"callback": 30}
    assert await env.states() == dict.fromkeys(env.harness.sids, State.DONE)
    async with env.journal(read_only=True) as journal:
        assert [one async for one in journal.results() if not one.confirmed] == []


async def test_a_callback_that_lied_is_found_out_and_the_sim_is_sent_again(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=12, listens=True)
    victim = env.harness.sids[0]

    def undo(event: Any) -> None:
        if isinstance(event, RowMoved) and event.sid == victim and event.state == "done":
            env.harness.put(victim, status="inactive")
            observers.remove(undo)

    observers: list[Any] = [undo]

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(
                env.job(), env.harness.client, journal=journal, observers=observers
            )

    report = await env.complete(go())
    assert report.ok
    assert env.harness.store[victim].status == "active"
    assert env.posts()[victim] == 2


async def test_a_second_run_sends_nothing(env: JobEnv) -> None:
    await env.run(env.job())
    before = env.posts()
    report = await env.run(env.job())
    assert report.ok
    assert env.posts() == before
    assert report.requests == 0


async def test_sims_that_are_there_already_are_left_alone(env: JobEnv) -> None:
    there = env.harness.sids[:10]
    for sid in there:
        env.harness.put(sid, status="active")
    report = await env.run(env.job())
    assert report.ok
    assert set(env.posts()) == set(env.harness.sids) - set(there)
    states = await env.states()
    assert {states[sid] for sid in there} == {State.ALREADY}


async def test_unknown_sims_fail_and_the_others_go_on(env: JobEnv) -> None:
    stranger = "HS" + "f" * 32
    report = await env.run(env.job([*env.harness.sids, stranger]))
    assert not report.ok
    assert report.finished
    assert (await env.states())[stranger] is State.IMPOSSIBLE
    assert {sim.status for sim in env.harness.store.values()} == {"active"}
    assert stranger not in env.posts()
    with pytest.raises(ExceptionGroup, match="1 of 31"):
        report.raise_for_failures()


async def test_a_row_may_ask_for_more_than_the_job(env: JobEnv) -> None:
    fleets = env.harness.client.supersim.fleets
    profile = (await env.complete(fleets.fetch("default"))).network_access_profile_sid
    assert profile is not None
    fleet = await env.complete(fleets.create(unique_name="night", network_access_profile=profile))
    rows = [{"sid": sid, "fleet": "night"} for sid in env.harness.sids[:5]]
    rows += [{"sid": sid, "fleet": ""} for sid in env.harness.sids[5:]]
    product = env.harness.api.product
    job = bulk.Job.from_rows(rows, product=product, change=ACTIVE, columns=["fleet"])
    report = await env.run(job)
    assert report.ok
    found = [env.harness.store[sid].fleet_sid for sid in env.harness.sids]
    assert found[:5] == [fleet.sid] * 5
    assert fleet.sid not in found[5:]


async def test_a_fleet_that_does_not_exist_is_refused_before_anything_is_sent(
    env: JobEnv,
) -> None:
    with pytest.raises(JobError, match=r"Fleet nowhere.*line"):
        await env.run(env.job(change={"status": "active", "fleet": "nowhere"}))
    assert not env.posts()


async def test_bad_input_is_refused_whole_and_the_journal_may_be_used_again(
    env: JobEnv,
) -> None:
    sid, other = env.harness.sids[:2]
    rows = [{"sid": sid}, {"sid": sid}, {"sid": other}, {"sid": "HF" + "0" * 32}]
    with pytest.raises(JobError) as caught:
        await env.run(env.job(rows))
    assert len(caught.value.problems) == 2
    assert not env.posts()
    assert (await env.run(env.job([sid, other]))).ok


async def test_an_empty_input_is_refused(env: JobEnv) -> None:
    with pytest.raises(JobError, match="no SIM"):
        await env.run(env.job([]))


async def test_two_names_of_one_sim_are_refused(env: JobEnv) -> None:
    sim = next(iter(env.harness.store.values()))
    with pytest.raises(JobError, match="same SIM") as caught:
        await env.run(env.job([sim.sid, sim.iccid]))
    assert "lines 1, 2" in str(caught.value)
    assert not env.posts()


async def test_another_job_may_not_use_the_journal(env: JobEnv) -> None:
    await env.run(env.job(), dry_run=True)
    with pytest.raises(JournalError):
        await env.run(env.job(change={"status": "ready"}))
    with pytest.raises(JournalError, match="changed"):
        await env.run(env.job(env.harness.sids[:3]))
    assert not env.posts()


async def test_a_dry_run_sends_nothing_and_the_real_one_may_follow(env: JobEnv) -> None:
    report = await env.run(env.job(), dry_run=True)
    assert report.plan is not None
    assert report.plan.verdicts == {Verdict.CHANGE: 30}
    assert len(report.plan.samples[Verdict.CHANGE]) == 5
    assert not env.posts()
    assert (await env.run(env.job())).ok


async def test_what_is_for_ever_needs_its_number(open_env: OpenEnv) -> None:
    env = await open_env(WIRELESS, sims=12)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    job = env.job(change={"status": "deactivated"})
    for confirm in (None, 11, lambda plan: False):
        with pytest.raises(NotConfirmed) as caught:
            await env.run(job, confirm=confirm)
        assert caught.value.count == 12
    assert not env.posts()
    stopped = await env.run(job, confirm=12, limit=5)
    assert stopped.stopped == "limit"
    assert (await env.run(job)).ok  # confirmed once, for all twelve


async def test_a_failed_change_is_a_failed_row(open_env: OpenEnv) -> None:
    env = await open_env(WIRELESS, sims=12, world={"faults": Faults(failing_updates=1.0)})
    report = await env.run(env.job())
    assert report.finished
    assert not report.ok
    assert set((await env.states()).values()) == {State.FAILED}
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    assert all(isinstance(one, TransitionFailed) for one in caught.value.exceptions)


async def failed(open_env: OpenEnv) -> JobEnv:
    """A job whose twelve rows have failed, in a world where they would not fail again."""
    env = await open_env(WIRELESS, sims=12, world={"faults": Faults(failing_updates=1.0)})
    await env.run(env.job())
    env.harness.emulator.faults = Faults()
    return env


def refuse_the_credentials(self: RequestHandler, call: Any) -> Any:
    raise VendorError(20003, "Authenticate")


async def reasons(env: JobEnv) -> list[str | None]:
    async def read() -> list[str | None]:
        async with env.journal() as journal:
            return [one.error_type async for one in journal.results({State.FAILED})]

    return await env.complete(read())


async def test_failed_rows_can_be_tried_again(open_env: OpenEnv) -> None:
    env = await failed(open_env)
    assert (await env.run(None)).states == {State.FAILED: 12}
    report = await env.run(None, retry_failed=True)
    assert (report.ok, report.states) == (True, {State.DONE: 12})
    assert set(env.posts().values()) == {2}


async def test_a_failed_row_keeps_its_state_and_reason_until_its_retry_is_sent(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await failed(open_env)
    with monkeypatch.context() as patched:
        patched.setattr(RequestHandler, "authenticate", refuse_the_credentials)
        with pytest.raises(AuthenticationError):
            await env.run(None, retry_failed=True)
    assert await reasons(env) == ["TransitionFailed"] * 12
    # Nothing came of that retry, so a run that was not asked to does not go on with it.
    assert (await env.run(None)).states == {State.FAILED: 12}
    report = await env.run(None, retry_failed=True, limit=4)
    assert (report.stopped, report.states) == ("limit", {State.DONE: 4, State.FAILED: 8})
    assert await reasons(env) == ["TransitionFailed"] * 8
    assert (await env.run(None)).states == {State.DONE: 12}  # it goes on with the retry
    assert sum(env.posts().values()) == 12 + 12


async def test_a_row_that_fails_in_a_retry_is_not_tried_a_third_time(
    open_env: OpenEnv,
) -> None:
    env = await failed(open_env)
    env.harness.emulator.faults = Faults(failing_updates=1.0)
    report = await env.run(None, retry_failed=True)
    assert report.states == {State.FAILED: 12}
    assert set(env.posts().values()) == {2}


async def test_a_failed_row_that_no_request_would_help_keeps_its_reason(
    open_env: OpenEnv,
) -> None:
    env = await failed(open_env)
    for sid in env.harness.sids:
        env.harness.put(sid, status="canceled")
    report = await env.run(None, retry_failed=True)
    assert report.states == {State.FAILED: 12}
    assert await reasons(env) == ["TransitionFailed"] * 12
    assert set(env.posts().values()) == {1}


async def test_a_failed_row_that_is_at_its_goal_by_now_is_no_failure(
    open_env: OpenEnv,
) -> None:
    env = await failed(open_env)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    assert (await env.run(None, retry_failed=True)).states == {State.ALREADY: 12}
    assert set(env.posts().values()) == {1}


async def test_a_run_stops_after_too_many_failures(open_env: OpenEnv) -> None:
    env = await open_env(WIRELESS, sims=60, world={"faults": Faults(failing_updates=1.0)})
    report = await env.run(env.job(), max_failures=3, window=5)
    assert report.stopped == "max_failures"
    assert sum(env.posts().values()) <= 14


async def test_a_limit_is_a_canary(env: JobEnv) -> None:
    report = await env.run(env.job(), limit=4)
    assert report.stopped == "limit"
    assert not report.finished
    assert len(env.posts()) == 4
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_a_deadline_drains_the_run(env: JobEnv) -> None:
    report = await env.run(env.job(), deadline=TRANSITION / 2)
    assert report.stopped == "deadline"
    assert set((await env.states()).values()) == {State.ACCEPTED}
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_a_sim_that_takes_too_long_is_waited_for_by_the_next_run(env: JobEnv) -> None:
    report = await env.run(env.job(), timeout=TRANSITION / 4)
    assert set((await env.states()).values()) == {State.TIMED_OUT}
    assert not report.finished
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_stop_drains_and_the_next_run_goes_on(env: JobEnv) -> None:
    stop = asyncio.Event()

    def stop_soon(event: Any) -> None:
        accepted = [one for one in env.events_of(RowMoved) if one.state == "accepted"]
        if len(accepted) >= 5:
            stop.set()

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            observers = [env.events.append, stop_soon]
            client = env.harness.client
            return await bulk.run(
                env.job(), client, journal=journal, observers=observers, stop=stop, window=10
            )

    report = await env.complete(go())
    assert report.stopped == "drained"
    assert set((await env.states()).values()) <= {State.ACCEPTED, State.READY}
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_stop_before_the_start_sends_nothing(env: JobEnv) -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(JobStopped, match="nothing was sent"):
        await env.run(env.job(), stop=stop)
    assert not env.posts()
    assert (await env.run(env.job())).ok


async def test_a_cancelled_run_loses_nothing(env: JobEnv) -> None:
    def cancel(event: Any) -> None:
        if isinstance(event, RowMoved) and event.state == "accepted":
            task.cancel()

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            client = env.harness.client
            return await bulk.run(env.job(), client, journal=journal, observers=[cancel])

    task = asyncio.ensure_future(go())
    with pytest.raises(asyncio.CancelledError):
        await env.complete(task)
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) <= {1, 2}
    assert {sim.status for sim in env.harness.store.values()} == {"active"}


async def test_refused_credentials_end_the_run_and_no_row(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30)
    await env.run(env.job(), dry_run=True)
    wrong = evolve(env.harness.emulator.credentials, auth_token="wrong")
    async with env.harness.emulator.client(credentials=wrong) as client:

        async def go() -> bulk.Report:
            async with env.journal() as journal:
                return await bulk.run(env.job(), client, journal=journal)

        with pytest.raises(AuthenticationError):
            await env.complete(go())
    assert (await env.run(env.job())).ok


async def test_an_outage_is_waited_out(open_env: OpenEnv) -> None:
    env = await open_env(sims=30)
    broken = Faults(server_errors=1.0, share_processed=0.0)

    async def mend() -> None:
        await env.harness.clock.sleep(100.0)
        env.harness.emulator.faults = Faults()

    def breaks(event: Any) -> None:
        if isinstance(event, JobPlanned) and not mending:
            env.harness.emulator.faults = broken
            mending.append(asyncio.ensure_future(mend()))

    mending: list[asyncio.Future[None]] = []

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(
                env.job(), env.harness.client, journal=journal, observers=[breaks]
            )

    report = await env.complete(go())
    await asyncio.gather(*mending)
    assert report.ok
    assert {sim.status for sim in env.harness.store.values()} == {"active"}


async def test_lost_answers_lead_to_no_second_change(open_env: OpenEnv) -> None:
    faults = Faults(dropped=0.3, share_processed=1.0, seed=3)
    env = await open_env(sims=40, world={"faults": faults})
    report = await env.run(env.job())
    assert report.ok
    assert set(env.posts().values()) == {1}


async def test_a_change_by_somebody_else_is_waited_for(env: JobEnv) -> None:
    busy = env.harness.sids[:12]
    for sid in busy:
        await env.complete(env.harness.sims.update(sid, status="ready"))
    report = await env.run(env.job())
    assert report.ok
    assert {sim.status for sim in env.harness.store.values()} == {"active"}
    assert all(env.posts()[sid] == 2 for sid in busy)


async def test_events_tell_the_story(env: JobEnv) -> None:
    await env.run(env.job())
    assert [type(one) for one in env.events if isinstance(one, JobPlanned | JobEnded)] == [
        JobPlanned,
        JobEnded,
    ]
    mine = [one.state for one in env.events_of(RowMoved) if one.sid == env.harness.sids[0]]
    assert mine == ["sending", "accepted", "done"]
    (end,) = env.events_of(JobEnded)
    assert end.states == {"done": 30}


async def test_going_on_without_a_job_needs_one_in_the_journal(env: JobEnv) -> None:
    with pytest.raises(JournalError, match="no job"):
        await env.run(None)


async def test_another_accounts_client_is_refused(open_env: OpenEnv) -> None:
    env = await open_env(sims=12)
    await env.run(env.job(), dry_run=True)
    async with env.harness.emulator.client("kore") as other:

        async def go() -> bulk.Report:
            async with env.journal() as journal:
                return await bulk.run(None, other, journal=journal)

        with pytest.raises(JournalError, match="belongs to twilio"):
            await env.complete(go())


@pytest.mark.parametrize(
    "options",
    [{"window": 0}, {"timeout": 0}, {"deadline": -1}, {"limit": 0}, {"max_failures": -1}],
    ids=str,
)
async def test_options_that_make_no_sense_are_refused(env: JobEnv, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        await env.run(env.job(), **options)


async def test_a_client_that_is_closed_ends_the_run_with_an_error(env: JobEnv) -> None:
    def close(event: Any) -> None:
        if isinstance(event, RowMoved) and event.state == "accepted" and not closing:
            closing.append(asyncio.ensure_future(env.harness.client.close()))

    closing: list[asyncio.Future[None]] = []

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(env.job(), env.harness.client, journal=journal, observers=[close])

    with pytest.raises(ClientClosed, match="closed"):
        await env.complete(go())
    await asyncio.gather(*closing)


async def test_what_a_canary_heard_by_callbacks_is_verified_too(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, listens=True)
    report = await env.run(env.job(), limit=4)
    assert report.stopped == "limit"
    assert (report.statistics.confirmed, report.statistics.unconfirmed) == (4, 0)
    assert len(env.posts()) == 4


async def test_only_as_many_rows_are_in_doubt_as_requests_have_a_place_soon(
    open_env: OpenEnv,
) -> None:
    env = await open_env(
        sims=200,
        world={"faults": Faults(answer_takes=1.0)},
        throttle=Throttle(limit=5, maximum=5),
    )
    sending: set[int] = set()
    most = 0

    def watch(event: Any) -> None:
        nonlocal most
        if isinstance(event, RowMoved):
            (sending.add if event.state == "sending" else sending.discard)(event.row)
            most = max(most, len(sending))

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(env.job(), env.harness.client, journal=journal, observers=[watch])

    assert (await env.complete(go())).ok
    assert 5 <= most <= 2 * 5 + 16
