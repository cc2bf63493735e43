"""Update jobs: planned, sent, awaited and run again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import asdict

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
from asyncsim.events import JobEnded, JobPlanned, JobProgressed, RowMoved
from tests.bulk.runs.conftest import ACTIVE, JobEnv, OpenEnv
from tests.integration.harness import APIS, TRANSITION, Api

WIRELESS = Api("twilio", "wireless")


@pytest.mark.parametrize("api", APIS, ids="-".join)
@pytest.mark.parametrize("listens", [False, True], ids=["polls", "listens"])
async def test_a_job_brings_every_sim_to_its_target(
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


async def test_iccids_are_found_by_one_list_scan(env: JobEnv) -> None:
    iccids = [sim.iccid for sim in env.harness.store.values()]
    report = await env.run(env.job(iccids))
    assert report.ok
    assert report.plan is not None
    assert report.plan.requests == 1
    assert report.plan.verdicts == {Verdict.CHANGE: 30}


async def test_callback_results_are_verified_by_a_final_list_scan(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, listens=True)
    report = await env.run(env.job())
    assert report.ok
    assert report.statistics.settled_by == {"callback": 30}
    assert await env.states() == dict.fromkeys(env.harness.sids, State.DONE)
    async with env.journal(read_only=True) as journal:
        assert [one async for one in journal.results() if not one.confirmed] == []


async def test_a_false_callback_is_detected_and_the_change_is_resent(
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


async def test_sims_already_at_the_target_are_not_changed(env: JobEnv) -> None:
    there = env.harness.sids[:10]
    for sid in there:
        env.harness.put(sid, status="active")
    report = await env.run(env.job())
    assert report.ok
    assert set(env.posts()) == set(env.harness.sids) - set(there)
    states = await env.states()
    assert {states[sid] for sid in there} == {State.ALREADY}


async def test_unknown_sims_fail_and_the_others_continue(env: JobEnv) -> None:
    unknown_sim = "HS" + "f" * 32
    report = await env.run(env.job([*env.harness.sids, unknown_sim]))
    assert not report.ok
    assert report.finished
    assert (await env.states())[unknown_sim] is State.IMPOSSIBLE
    assert {sim.status for sim in env.harness.store.values()} == {"active"}
    assert unknown_sim not in env.posts()
    with pytest.raises(ExceptionGroup, match="1 of 31"):
        report.raise_for_failures()


async def test_a_row_may_change_more_than_the_job(env: JobEnv) -> None:
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


async def test_an_unknown_fleet_is_rejected_before_sending(
    env: JobEnv,
) -> None:
    with pytest.raises(JobError, match=r"Fleet nowhere.*line"):
        await env.run(env.job(change={"status": "active", "fleet": "nowhere"}))
    assert not env.posts()


async def test_bad_input_is_rejected_as_a_whole_and_the_journal_may_be_reused(
    env: JobEnv,
) -> None:
    sid, other = env.harness.sids[:2]
    rows = [{"sid": sid}, {"sid": sid}, {"sid": other}, {"sid": "HF" + "0" * 32}]
    with pytest.raises(JobError) as caught:
        await env.run(env.job(rows))
    assert len(caught.value.problems) == 2
    assert not env.posts()
    assert (await env.run(env.job([sid, other]))).ok


async def test_an_empty_input_is_rejected(env: JobEnv) -> None:
    with pytest.raises(JobError, match="no SIM"):
        await env.run(env.job([]))


async def test_two_names_of_one_sim_are_rejected(env: JobEnv) -> None:
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


async def test_an_irreversible_change_requires_confirming_the_exact_count(
    open_env: OpenEnv,
) -> None:
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
    assert (await env.run(job)).ok  # one confirmation for all twelve


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
    """A job with twelve failed rows that would succeed if retried."""
    env = await open_env(WIRELESS, sims=12, world={"faults": Faults(failing_updates=1.0)})
    await env.run(env.job())
    env.harness.emulator.faults = Faults()
    return env


def reject_credentials(self: RequestHandler, call: Any) -> Any:
    raise VendorError(20003, "Authenticate")


async def reasons(env: JobEnv) -> list[str | None]:
    async def read() -> list[str | None]:
        async with env.journal() as journal:
            return [one.error_type async for one in journal.results({State.FAILED})]

    return await env.complete(read())


async def test_failed_rows_can_be_retried(open_env: OpenEnv) -> None:
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
        patched.setattr(RequestHandler, "authenticate", reject_credentials)
        with pytest.raises(AuthenticationError):
            await env.run(None, retry_failed=True)
    assert await reasons(env) == ["TransitionFailed"] * 12
    # That retry was not sent, so a run without retry_failed does not resume it.
    assert (await env.run(None)).states == {State.FAILED: 12}
    report = await env.run(None, retry_failed=True, limit=4)
    assert (report.stopped, report.states) == ("limit", {State.DONE: 4, State.FAILED: 8})
    assert await reasons(env) == ["TransitionFailed"] * 8
    assert (await env.run(None)).states == {State.DONE: 12}  # resumes the retry
    assert sum(env.posts().values()) == 12 + 12


async def test_a_row_that_fails_in_a_retry_is_not_retried_again(
    open_env: OpenEnv,
) -> None:
    env = await failed(open_env)
    env.harness.emulator.faults = Faults(failing_updates=1.0)
    report = await env.run(None, retry_failed=True)
    assert report.states == {State.FAILED: 12}
    assert set(env.posts().values()) == {2}


async def test_a_failed_row_that_cannot_be_retried_keeps_its_reason(
    open_env: OpenEnv,
) -> None:
    env = await failed(open_env)
    for sid in env.harness.sids:
        env.harness.put(sid, status="canceled")
    report = await env.run(None, retry_failed=True)
    assert report.states == {State.FAILED: 12}
    assert await reasons(env) == ["TransitionFailed"] * 12
    assert set(env.posts().values()) == {1}


async def test_a_failed_row_now_at_its_target_is_no_failure(
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


async def test_a_limit_sends_only_that_many_rows(env: JobEnv) -> None:
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


async def test_a_sim_still_pending_is_awaited_by_the_next_run(env: JobEnv) -> None:
    report = await env.run(env.job(), timeout=TRANSITION / 4)
    assert set((await env.states()).values()) == {State.TIMED_OUT}
    assert not report.finished
    assert (await env.run(env.job())).ok
    assert set(env.posts().values()) == {1}


async def test_stop_drains_and_the_next_run_resumes(env: JobEnv) -> None:
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


async def test_rejected_credentials_end_the_run_and_fail_no_row(
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

    async def restore() -> None:
        await env.harness.clock.sleep(100.0)
        env.harness.emulator.faults = Faults()

    def break_connection(event: Any) -> None:
        if isinstance(event, JobPlanned) and not restoring:
            env.harness.emulator.faults = broken
            restoring.append(asyncio.ensure_future(restore()))

    restoring: list[asyncio.Future[None]] = []

    async def go() -> bulk.Report:
        async with env.journal() as journal:
            return await bulk.run(
                env.job(), env.harness.client, journal=journal, observers=[break_connection]
            )

    report = await env.complete(go())
    await asyncio.gather(*restoring)
    assert report.ok
    assert {sim.status for sim in env.harness.store.values()} == {"active"}


async def test_lost_responses_cause_no_second_change(open_env: OpenEnv) -> None:
    faults = Faults(dropped=0.3, share_processed=1.0, seed=3)
    env = await open_env(sims=40, world={"faults": faults})
    report = await env.run(env.job())
    assert report.ok
    assert set(env.posts().values()) == {1}


async def test_another_clients_change_is_waited_for(env: JobEnv) -> None:
    busy = env.harness.sids[:12]
    for sid in busy:
        await env.complete(env.harness.sims.update(sid, status="ready"))
    report = await env.run(env.job())
    assert report.ok
    assert {sim.status for sim in env.harness.store.values()} == {"active"}
    assert all(env.posts()[sid] == 2 for sid in busy)


async def test_events_report_every_phase(env: JobEnv) -> None:
    await env.run(env.job())
    assert [type(one) for one in env.events if isinstance(one, JobPlanned | JobEnded)] == [
        JobPlanned,
        JobEnded,
    ]
    states = [one.state for one in env.events_of(RowMoved) if one.sid == env.harness.sids[0]]
    assert states == ["sending", "accepted", "done"]
    (end,) = env.events_of(JobEnded)
    assert end.states == {"done": 30}


async def test_resuming_without_a_job_requires_one_in_the_journal(env: JobEnv) -> None:
    with pytest.raises(JournalError, match=r"contains no complete job( 'job\.db')?: pass"):
        await env.run(None)


async def test_a_client_of_another_account_is_rejected(open_env: OpenEnv) -> None:
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
async def test_invalid_options_are_rejected(env: JobEnv, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        await env.run(env.job(), **options)


async def test_a_closed_client_ends_the_run_with_an_error(env: JobEnv) -> None:
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


async def test_callback_results_of_a_limited_run_are_verified_too(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=30, listens=True)
    report = await env.run(env.job(), limit=4)
    assert report.stopped == "limit"
    assert (report.statistics.confirmed, report.statistics.unconfirmed) == (4, 0)
    assert len(env.posts()) == 4


async def test_a_jobs_events_say_its_vendor_and_product(open_env: OpenEnv) -> None:
    env = await open_env(sims=3)
    await env.run(env.job())
    assert {type(event) for event in env.events} == {JobProgressed, JobPlanned, RowMoved, JobEnded}
    for event in env.events:
        fields = asdict(event)
        assert (fields["vendor"], fields["product"]) == ("twilio", "supersim"), event


async def test_rows_in_doubt_are_bounded_by_the_concurrency_limit(
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
