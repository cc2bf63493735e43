"""Jobs during temporary outages: SIMs in use, rejected credentials, foreign responses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncsim import (
    AuthenticationError,
    ConnectionFailed,
    PermissionDenied,
    RetryPolicy,
    Throttle,
    bulk,
)
from asyncsim.bulk.records import State, Verdict
from asyncsim.bulk.tasks import state_of
from asyncsim.emulator import Faults, Latency
from asyncsim.emulator.app import RequestHandler
from asyncsim.emulator.context import VendorResponse
from asyncsim.emulator.errors import VendorError
from asyncsim.errors import DecodeError
from asyncsim.events import JobPlanned, JobProgressed, RowMoved
from asyncsim.http.transport import Transport
from tests.bulk.runs.conftest import JobEnv, OpenEnv
from tests.integration.harness import APIS, Api

WIRELESS = APIS[1]


async def watched(env: JobEnv, job: bulk.Job, hook: Any, **options: Any) -> bulk.Report:
    async def go() -> bulk.Report:
        async with env.journal() as journal:
            client, observers = env.harness.client, [hook]
            return await bulk.run(job, client, journal=journal, observers=observers, **options)

    return await env.complete(go())


async def test_a_reset_is_sent_after_another_clients_change(
    open_env: OpenEnv,
) -> None:
    env = await open_env(WIRELESS, sims=3)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    busy = env.harness.sid
    env.harness.put(busy, status="updating")
    others: list[asyncio.Future[None]] = []

    async def end() -> None:
        await env.harness.clock.sleep(100.0)
        env.harness.put(busy, status="active")

    def hook(event: Any) -> None:
        if isinstance(event, JobPlanned) and not others:
            others.append(asyncio.ensure_future(end()))

    report = await watched(env, env.job(change={"reset_status": "resetting"}), hook)
    assert report.ok
    assert env.posts() == dict.fromkeys(env.harness.sids, 1)


async def test_sims_that_another_client_is_changing_do_not_block_other_rows(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=40, throttle=Throttle(limit=1, maximum=1))
    for sid in env.harness.sids[:20]:
        env.harness.put(sid, status="scheduled")  # never ends
    done: list[float] = []

    def hook(event: Any) -> None:
        if isinstance(event, RowMoved) and event.state == State.DONE:
            done.append(env.harness.clock.now() - began)

    began = env.harness.clock.now()
    report = await watched(env, env.job(), hook, timeout=900.0)
    assert report.states == {State.DONE: 20, State.TIMED_OUT: 20}
    assert max(done) < 100.0


async def test_changes_accepted_before_the_credentials_were_rejected_count_as_done_by_this_job(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=12)
    accepted: set[str] = set()
    authenticate = RequestHandler.authenticate

    def reject(self: RequestHandler, call: Any) -> Any:
        if len(accepted) == 12:
            raise VendorError(20003, "Authenticate")
        return authenticate(self, call)

    def hook(event: Any) -> None:
        if isinstance(event, RowMoved) and event.state == State.ACCEPTED:
            accepted.add(event.name)

    monkeypatch.setattr(RequestHandler, "authenticate", reject)
    with pytest.raises(AuthenticationError):
        await watched(env, env.job(), hook)
    monkeypatch.undo()
    await env.complete(env.harness.clock.sleep(100.0))
    assert (await env.run(env.job())).states == {State.DONE: 12}
    assert set(env.posts().values()) == {1}


def test_a_gateways_error_page_does_not_decide_a_row() -> None:
    assert state_of(DecodeError("response", "not JSON")) is State.NO_ANSWER


@pytest.mark.parametrize(
    ("status", "state"), [(403, State.NO_ANSWER), (404, State.UNKNOWN)], ids=["forbidden", "gone"]
)
async def test_a_created_text_is_never_resent(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch, status: int, state: State
) -> None:
    env = await open_env(sims=12)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    execute = RequestHandler.execute

    def reject(self: RequestHandler, call: Any, at: Any) -> VendorResponse:
        if call.method == "GET" and "Commands" in call.path:
            return VendorResponse(status, {"code": 20000 + status, "message": "No"})
        return execute(self, call, at)

    monkeypatch.setattr(RequestHandler, "execute", reject)
    job = env.job(change={"payload": "wake up"}, action="send")
    assert (await env.run(job)).states == {state: 12}
    monkeypatch.undo()
    await env.run(None, retry_failed=True)
    assert env.posts()["SmsCommands"] == 12


async def test_an_accepted_row_resets_the_outage_timer(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(
        sims=200,
        world={"latency": Latency(transition=600.0, sigma=0.0, callback=0.0)},
        throttle=Throttle(limit=16, maximum=16),
        retry=RetryPolicy(attempts=1),
    )
    exchange, clock = Transport.exchange, env.harness.clock
    ends_at = clock.now()

    async def unreachable(self: Transport, *given: Any) -> Any:
        if clock.now() < ends_at:
            raise ConnectionFailed(given[-1], "refused", sent=False)
        return await exchange(self, *given)

    accepted: list[float] = []

    def hook(event: Any) -> None:
        nonlocal ends_at
        if isinstance(event, JobPlanned) and not accepted:
            ends_at = max(ends_at, clock.now() + 60.0) if ends_at == began else ends_at
        if isinstance(event, RowMoved) and event.state == State.ACCEPTED:
            accepted.append(clock.now())

    monkeypatch.setattr(Transport, "exchange", unreachable)
    began = ends_at
    assert (await watched(env, env.job(), hook)).ok
    in_first_pass = [one for one in accepted if one < accepted[0] + 600.0]
    assert in_first_pass[-1] - in_first_pass[0] < 60.0


async def test_a_stale_list_causes_no_resend(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    latency = Latency(transition=3.0, sigma=0.0, callback=0.0)
    env = await open_env(sims=30, listens=True, world={"latency": latency})
    execute, old = RequestHandler.execute, list[VendorResponse]()

    def lag(self: RequestHandler, call: Any, at: Any) -> VendorResponse:
        reply = execute(self, call, at)
        if call.method == "GET" and call.path.endswith("/Sims") and "Status" not in call.query:
            old.append(reply)
            return old[0]
        return reply

    monkeypatch.setattr(RequestHandler, "execute", lag)
    assert (await env.run(env.job())).ok
    assert len(old) > 1
    assert set(env.posts().values()) == {1}


async def test_a_moved_sim_that_is_read_twice_is_not_unknown(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=12)
    for sid in env.harness.sids:
        env.harness.put(sid, fleet_sid=None)
    account = env.harness.emulator.world("twilio").add_subaccount().account_sid
    job, sims = env.job(change={"account_sid": account}), env.harness.sims
    await env.run(job, dry_run=True)

    async def die_midway() -> None:
        async with env.journal() as journal:
            for number in range(1, 7):
                await journal.record_intent(number)
        for sid in env.harness.sids[:3]:
            await sims.update(sid, account_sid=account)

    await env.complete(die_midway())
    await env.run(job, dry_run=True)
    assert (await env.run(job)).ok
    assert not env.harness.store


async def test_a_plan_counts_rows_planned_before_an_outage(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=1200)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    outages: list[asyncio.Future[None]] = []

    async def break_off() -> None:
        env.harness.emulator.faults = Faults(server_errors=1.0, share_processed=0.0)
        await env.harness.clock.sleep(100.0)
        env.harness.emulator.faults = Faults()

    def hook(event: Any) -> None:
        if isinstance(event, JobProgressed) and event.done == 1000 and not outages:
            outages.append(asyncio.ensure_future(break_off()))

    report = await watched(env, env.job(), hook)
    assert report.ok
    assert report.plan is not None
    assert outages
    assert report.plan.verdicts == {Verdict.ALREADY: 1200}
    assert report.plan.requests > 2


async def test_texts_whose_intent_is_being_written_at_a_stop_are_not_lost(
    open_env: OpenEnv,
) -> None:
    env = await open_env(sims=12)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    job = env.job(change={"payload": "wake up"}, action="send")
    assert (await env.run(job, deadline=0.001)).states == {State.READY: 12}
    assert (await env.run(job)).ok
    assert env.posts()["SmsCommands"] == 12


async def test_a_run_ends_when_every_request_is_forbidden(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle = Throttle(limit=4, maximum=4)
    env = await open_env(Api("kore", "supersim"), sims=200, throttle=throttle)
    execute = RequestHandler.execute

    def forbid(self: RequestHandler, call: Any, at: Any) -> VendorResponse:
        if call.method == "POST":
            return VendorResponse(403, {"code": 20403, "message": "Forbidden"})
        return execute(self, call, at)

    monkeypatch.setattr(RequestHandler, "execute", forbid)
    with pytest.raises(PermissionDenied):
        await env.run(env.job())
    assert sum(env.posts().values()) < 100
    assert State.READY in (await env.states()).values()
