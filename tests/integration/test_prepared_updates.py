"""Prepared updates: sent once, awaited anywhere, resumed in another process from their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from asyncsim import (
    BadRequest,
    CallbackReceiver,
    Client,
    ClientClosed,
    Conflict,
    NotFound,
    OutcomeUnknown,
    PerhapsNeverSent,
    PreparedUpdate,
    ServerError,
    Throttle,
    Timeout,
    TokenError,
    TransitionFailed,
    TransitionTimeout,
    UnreachableStatus,
    Wait,
)
from asyncsim.emulator import Faults
from asyncsim.events import CallStarted, WaitSettled
from tests.http.server import Received, ScriptedResponse
from tests.integration.conftest import OpenHarness
from tests.integration.harness import TRANSITION, Api, Harness
from tests.resources.scripted import open_scripted, sid

TIMEOUT = 100.0
TWILIO_WIRELESS = Api("twilio", "wireless")


async def prepare(harness: Harness, **changes: Any) -> PreparedUpdate[Any]:
    given = {"timeout": TIMEOUT, **(changes or {"status": "active"})}
    prepared: PreparedUpdate[Any] = await harness.complete(
        harness.sims.prepare_update(harness.sid, **given)
    )
    return prepared


@asynccontextmanager
async def another_process(harness: Harness, **settings: Any) -> AsyncIterator[Client]:
    """A client that shares nothing with the first one but the account."""
    settings = {"clock": harness.clock, **settings}
    async with harness.emulator.client(harness.api.vendor, **settings) as client:
        yield client


async def resume(harness: Harness, token: str, **settings: Any) -> Any:
    async with another_process(harness, **settings) as other:
        return await harness.complete(other.resume(token))


# Preparing and sending.


async def test_preparing_sends_nothing_but_one_read(harness: Harness) -> None:
    prepared = await prepare(harness)
    assert (len(harness.posts()), len(harness.reads())) == (0, 1)
    assert (prepared.sid, prepared.requested) == (harness.sid, {"status": "active"})
    assert (prepared.deadline - harness.clock.utcnow()).total_seconds() == TIMEOUT
    assert prepared.token.isascii()
    assert len(prepared.token) <= 300
    assert prepared.token not in repr(prepared)


async def test_it_is_sent_once_and_awaited_as_often_as_needed(harness: Harness) -> None:
    prepared = await prepare(harness)
    sent = await asyncio.gather(*[prepared.send() for _ in range(3)])
    assert sent[0].status in {"scheduled", "updating"}
    assert sent[0] is sent[1] is sent[2]
    for _ in range(2):
        assert (await harness.complete(prepared)).status == "active"
    assert await prepared.send() is sent[0]
    assert len(harness.posts()) == 1
    assert harness.is_idle


async def test_start_update_prepares_and_sends(harness: Harness) -> None:
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    assert len(harness.posts()) == 1
    assert (await harness.complete(started)).status == "active"


async def test_a_change_that_is_applied_at_once_needs_no_read(harness: Harness) -> None:
    started = await harness.complete(harness.sims.start_update(harness.sid, unique_name="depot"))
    assert (await harness.complete(started)).unique_name == "depot"
    assert len(harness.reads()) == 1, "the one that prepared it"


async def test_names_are_resolved_before_the_token_is_made(harness: Harness) -> None:
    keyword = "fleet" if harness.api.product == "supersim" else "rate_plan"
    harness.put(harness.sid, unique_name="depot 7")
    work = harness.sims.prepare_update("depot 7", timeout=TIMEOUT, **{keyword: "other"})
    prepared = await harness.complete(work)
    assert prepared.sid == harness.sid
    assert prepared.requested[keyword][:2] in {"HF", "WP"}
    harness.put(harness.sid, unique_name="renamed meanwhile")
    await prepared.send()
    sim = await resume(harness, prepared.token)
    assert getattr(sim, f"{keyword}_sid") == prepared.requested[keyword]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "activ"}, ValueError),
        ({"colour": "red"}, TypeError),
        ({"status": "inactive", "until": "new"}, UnreachableStatus),
        ({"until": "broken"}, ValueError),
        ({"status": "active", "timeout": 0}, ValueError),
    ],
)
async def test_a_change_that_cannot_work_is_rejected_before_anything_is_sent(
    start_harness: OpenHarness, changes: dict[str, Any], error: type[Exception]
) -> None:
    harness = await start_harness()
    with pytest.raises(error):
        await harness.complete(harness.sims.prepare_update(harness.sid, **changes))
    assert harness.posts() == []


async def test_awaiting_what_was_not_sent_says_so_at_once(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    with pytest.raises(TokenError, match="has not been sent: call send"):
        await prepared


async def test_after_the_deadline_nothing_is_sent(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    await harness.clock.advance(TIMEOUT)
    with pytest.raises(TokenError, match="deadline of this update has passed: nothing was sent"):
        await prepared.send()
    assert harness.posts() == []


async def test_a_deadline_that_passes_in_the_queue_prevents_the_request(
    start_harness: OpenHarness,
) -> None:
    throttle = Throttle(limit=1, maximum=1)
    harness = await start_harness(throttle=throttle, timeout=Timeout(request=500.0))
    prepared = await prepare(harness)
    harness.emulator.faults = Faults(answer_takes=TIMEOUT + 5)
    occupied = await harness.start(harness.sims.fetch(harness.sids[1]))
    sending = await harness.start(prepared.send())
    with pytest.raises(TokenError, match="deadline passed before it could be sent: nothing was"):
        await harness.complete(sending)
    await harness.complete(occupied)
    assert harness.posts() == []


async def test_a_retry_is_not_sent_after_the_deadline(start_harness: OpenHarness) -> None:
    harness = await start_harness(timeout=Timeout(request=60.0))
    prepared = await prepare(harness)
    harness.emulator.faults = Faults(server_errors=1.0, share_processed=0.0)
    sending = await harness.start(prepared.send())
    await harness.clock.advance(TIMEOUT)
    harness.emulator.faults = Faults()
    with pytest.raises(Exception) as failed:  # whichever attempt was the last
        await harness.complete(sending)
    assert getattr(failed.value, "outcome_unknown", False)
    sent_at = [one.seconds for one in harness.posts()]
    assert max(sent_at) < TIMEOUT
    with pytest.raises(PerhapsNeverSent):
        await harness.complete(prepared)


async def test_a_rejected_change_stays_rejected(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    await harness.sims.update(harness.sid, status="active")
    prepared = await prepare(harness, status="inactive")
    for work in (prepared.send(), prepared.send(), _settled(prepared)):
        with pytest.raises(Conflict):
            await harness.complete(work)
    assert len(harness.posts()) == 2, "one of them the other change"


async def test_an_invalid_change_is_not_sent_again(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    harness.put(harness.sid, fleet_sid=None)
    prepared = await prepare(harness)
    for _ in range(2):
        with pytest.raises(BadRequest):
            await prepared.send()
    assert len(harness.posts()) == 1


# A second process.


async def test_another_process_resumes_it_and_never_posts(harness: Harness) -> None:
    prepared = await prepare(harness)
    await prepared.send()
    sim = await resume(harness, prepared.token)
    assert (sim.sid, sim.status) == (harness.sid, "active")
    assert len(harness.posts()) == 1


async def test_a_resumed_wait_has_no_way_to_send(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    async with another_process(harness) as other:
        resumed = other.resume(prepared.token)
        assert type(resumed) is Wait
        assert not hasattr(resumed, "send")
        assert (resumed.sid, resumed.token) == (prepared.sid, prepared.token)
        assert resumed.deadline == prepared.deadline


async def test_it_may_be_resumed_before_it_is_sent(harness: Harness) -> None:
    prepared = await prepare(harness)
    async with another_process(harness) as other:
        waiting = await harness.start(_settled(other.resume(prepared.token)))
        await harness.clock.advance(30)
        await prepared.send()
        assert (await harness.complete(waiting)).status == "active"
    assert len(harness.posts()) == 1


async def _settled(wait: Wait[Any]) -> Any:
    return await wait


async def test_without_a_trace_by_the_deadline_it_was_perhaps_never_sent(harness: Harness) -> None:
    prepared = await prepare(harness)
    before = harness.store[harness.sid]
    with pytest.raises(PerhapsNeverSent, match="the change was perhaps never sent") as unsent:
        await resume(harness, prepared.token)
    assert harness.clock.now() == pytest.approx(TIMEOUT, abs=1)
    error = unsent.value
    assert (error.sid, error.status_before, error.date_before) == (
        *(harness.sid, before.status),
        before.date_updated,
    )
    assert harness.posts() == []
    assert len(harness.reads()) <= 15


async def test_an_expired_token_is_judged_by_one_read(harness: Harness) -> None:
    prepared = await prepare(harness)
    await prepared.send()
    await harness.clock.advance(TIMEOUT * 3)
    reads = len(harness.reads())
    assert (await resume(harness, prepared.token)).status == "active"
    assert len(harness.reads()) == reads + 1
    harness.put(harness.sid, status=harness.off_status, date_updated=harness.clock.utcnow())
    with pytest.raises(TransitionTimeout) as late:
        await resume(harness, prepared.token)
    assert type(late.value) is TransitionTimeout
    assert len(harness.reads()) == reads + 2


async def test_an_expired_token_without_a_trace(harness: Harness) -> None:
    prepared = await prepare(harness)
    await harness.clock.advance(TIMEOUT * 3)
    with pytest.raises(PerhapsNeverSent):
        await resume(harness, prepared.token)
    assert len(harness.reads()) == 2, "the first one prepared it"


@pytest.mark.parametrize("finish", [True, False])
async def test_another_clients_change_does_not_end_it(harness: Harness, finish: bool) -> None:
    prepared = await prepare(harness)
    async with another_process(harness) as other:
        waiting = await harness.start(_settled(other.resume(prepared.token)))
        for status in ("scheduled", harness.off_status):
            await harness.clock.advance(15)
            harness.put(harness.sid, status=status, date_updated=harness.clock.utcnow())
        await harness.clock.advance(30)
        assert not waiting.done()
        if finish:
            harness.put(harness.sid, status="new")
            await prepared.send()
            assert (await harness.complete(waiting)).status == "active"
            return
        with pytest.raises(TransitionTimeout) as late:
            await harness.complete(waiting)
        assert type(late.value) is TransitionTimeout
        assert late.value.status == harness.off_status


async def test_a_failed_change_is_called_failed_where_it_is_known_to_have_been_sent(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, world={"faults": Faults(failing_updates=1.0)})
    prepared = await prepare(harness)
    await prepared.send()
    with pytest.raises(TransitionTimeout) as late:  # it may be another client's change that failed
        await resume(harness, prepared.token)
    assert type(late.value) is TransitionTimeout
    with pytest.raises(TransitionFailed):
        await harness.complete(prepared)


async def test_its_target_is_remembered_for_a_later_wait(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    async with another_process(harness) as other:
        with pytest.raises(PerhapsNeverSent):
            await harness.complete(other.resume(prepared.token))
        sims = other.supersim.sims
        later = await harness.start(sims.await_transition(harness.sid, timeout=500))
        await harness.clock.advance(100)
        assert not later.done(), "as it is now it proves nothing"
        await harness.sims.update(harness.sid, status="active")
        assert (await harness.complete(later)).status == "active"
        record = await harness.complete(sims.fetch(harness.sid))
        await harness.complete(sims.update_and_wait(harness.sid, status="inactive"))
        assert (await harness.complete(sims.await_transition(record))).status == "inactive"


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_resumed_target_is_remembered_when_its_wait_has_ended(
    start_harness: OpenHarness, cancelled: bool
) -> None:
    harness = await start_harness()
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    async with another_process(harness) as other:
        waiting = await harness.start(_settled(other.resume(started.token)))
        if cancelled:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        else:
            assert (await harness.complete(waiting)).status == "active"
        await harness.clock.advance(TRANSITION)
        later = harness.clock.utcnow()
        harness.put(harness.sid, status="inactive", date_updated=later)
        expected = TransitionTimeout if cancelled else TransitionFailed  # accepted, or unknown
        with pytest.raises(expected):
            await harness.complete(other.supersim.sims.await_transition(harness.sid, timeout=90))


async def test_a_record_at_hand_does_not_end_the_wait_for_what_was_perhaps_never_sent(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(TWILIO_WIRELESS)
    harness.put(harness.sid, status="active")
    prepared = await prepare(harness, reset_status="resetting")
    async with another_process(harness) as other:
        sims = other.wireless.sims
        with pytest.raises(PerhapsNeverSent):
            await harness.complete(_settled(other.resume(prepared.token)))
        record = await harness.complete(sims.fetch(harness.sid))
        with pytest.raises(PerhapsNeverSent):
            await harness.complete(sims.await_transition(record, timeout=30))


async def test_records_are_yielded_as_they_are_learnt(harness: Harness) -> None:
    prepared = await prepare(harness)

    async def statuses(wait: Wait[Any]) -> list[str]:
        return [seen.status async for seen in wait]

    async with another_process(harness) as other:
        watching = await harness.start(statuses(other.resume(prepared.token)))
        await harness.clock.advance(5)
        await prepared.send()
        own = await harness.complete(statuses(prepared))
        found = await harness.complete(watching)
    pending = ["scheduled"] if harness.api.product == "supersim" else ["updating", "scheduled"]
    assert found[0] == "new"
    assert found[-1] == own[-1] == "active"
    assert set(found[1:-1]) <= set(pending)
    assert own[0] in pending
    assert [one async for one in prepared] == [await prepared]


async def test_leaving_the_loop_frees_the_wait(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    async for seen in started:
        assert seen.status == "scheduled"
        break
    await harness.clock.settle()
    assert harness.is_idle
    assert (await harness.complete(started)).status == "active"


async def test_an_error_ends_the_iteration(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    seen: list[Any] = []

    async def collect() -> None:
        async with another_process(harness) as other:
            async for record in other.resume(prepared.token):
                seen.append(record.status)  # noqa: PERF401  # it raises

    with pytest.raises(PerhapsNeverSent):
        await harness.complete(collect())
    assert seen == ["new"], "the same record is yielded once"


async def test_a_cancelled_await_can_be_repeated(harness: Harness) -> None:
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    waiting = await harness.start(_settled(started))
    await harness.clock.advance(2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert harness.is_idle
    assert (await harness.complete(started)).status == "active"
    assert len(harness.posts()) == 1


# Lost responses.


@pytest.mark.parametrize("processed", [0.0, 1.0])
async def test_a_lost_response_is_resolved_before_anything_is_resent(
    harness: Harness, processed: float
) -> None:
    prepared = await prepare(harness)
    harness.emulator.faults = Faults(dropped=1.0, share_processed=processed)
    sending = await harness.start(prepared.send())
    harness.emulator.faults = Faults()
    assert (await harness.complete(sending)).status in {"scheduled", "updating"}
    assert (await harness.complete(prepared)).status == "active"
    assert len(harness.posts()) == (1 if processed else 2)


async def test_a_call_cancelled_in_flight_is_not_sent_again_and_its_outcome_is_found(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(world={"faults": Faults(answer_takes=5.0)})
    prepared = await prepare(harness)
    sending = await harness.start(prepared.send())
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    with pytest.raises(OutcomeUnknown, match="await this update to find out"):
        await prepared.send()
    assert (await harness.complete(prepared)).status == "active"
    assert len(harness.posts()) == 1


async def test_a_call_cancelled_before_anything_was_sent_may_be_repeated(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(throttle=Throttle(limit=1, maximum=1))
    prepared = await prepare(harness)
    harness.emulator.faults = Faults(answer_takes=5.0)
    occupied = await harness.start(harness.sims.fetch(harness.sids[1]))
    sending = await harness.start(prepared.send())
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await harness.complete(occupied)
    await harness.complete(prepared.send())
    assert (await harness.complete(prepared)).status == "active"
    assert len(harness.posts()) == 1


async def test_a_response_that_never_comes_leaves_a_wait_that_finds_out(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    harness.emulator.faults = Faults(server_errors=1.0, share_processed=1.0)
    for _ in range(2):
        with pytest.raises(ServerError, match="the outcome of the change is unknown"):
            await harness.complete(prepared.send())
    harness.emulator.faults = Faults()
    assert (await harness.complete(prepared)).status == "active"
    assert len(harness.posts()) == 1


async def test_sweeps_settle_many_resumed_waits(start_harness: OpenHarness) -> None:
    harness = await start_harness(sims=60)
    tokens = []
    for one in harness.sids:
        work = harness.sims.start_update(one, status="active", timeout=TIMEOUT)
        tokens.append((await harness.complete(work)).token)
    async with another_process(harness) as other:
        reads = sum(len(harness.reads(one)) for one in harness.sids)
        work = asyncio.gather(*[_settled(other.resume(token)) for token in tokens])
        assert {sim.status for sim in await harness.complete(work)} == {"active"}
        reads = sum(len(harness.reads(one)) for one in harness.sids) - reads
    assert reads <= 60 + 5, "one to begin with; from then on lists"
    assert len(harness.lists) >= 2
    assert sum(len(harness.posts(one)) for one in harness.sids) == 60


# Callbacks.


async def test_a_callback_of_the_first_process_ends_the_wait_of_the_second(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, listens=True)
    assert harness.receiver is not None
    prepared = await prepare(harness)
    await prepared.send()
    port = harness.receiver.port
    await harness.client.close()  # as a process that has died: nothing listens at its port
    events: list[Any] = []
    receiver = CallbackReceiver(f"http://127.0.0.1:{port}", port=port, clock=harness.clock)
    async with another_process(harness, receiver=receiver, observers=[events.append]) as other:
        assert (await harness.complete(_settled(other.resume(prepared.token)))).status == "active"
    assert (receiver.counts.accepted, receiver.counts.unconfirmed) == (1, 0)
    (settled,) = [one for one in events if isinstance(one, WaitSettled)]
    assert (settled.settled_by, harness.clock.now()) == ("callback", TRANSITION)


async def test_a_callback_that_arrived_before_the_token_was_resumed_counts(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(listens=True, world={"faults": Faults(failing_updates=1.0)})
    prepared = await prepare(harness)
    await prepared.send()
    await harness.clock.advance(TRANSITION + 1)
    with pytest.raises(TransitionFailed):  # proven by the callback, which has the token's ticket
        await harness.complete(harness.client.resume(prepared.token))


# Tokens of others.


async def test_tokens_survive_a_rotation_of_ticket_secrets(start_harness: OpenHarness) -> None:
    harness = await start_harness(ticket_secrets=["old"])
    prepared = await prepare(harness)
    await prepared.send()
    assert (await resume(harness, prepared.token, ticket_secrets=["new", "old"])).status == "active"
    async with another_process(harness, ticket_secrets=["new"]) as other:
        with pytest.raises(TokenError, match="a secret that this client does not have"):
            other.resume(prepared.token)


async def test_tokens_survive_a_rotation_of_credentials(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    prepared = await prepare(harness)
    own = harness.emulator.credentials
    harness.client.rotate(api_key=own.api_key, api_secret=own.api_secret, auth_token=None)
    assert harness.client.resume(prepared.token).sid == harness.sid
    later = await prepare(harness, status="ready")
    async with another_process(harness) as other:  # derives its secret from the auth token
        assert other.resume(prepared.token).sid == harness.sid
        with pytest.raises(TokenError):
            other.resume(later.token)


async def test_tokens_of_another_account_or_vendor_are_rejected(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(ticket_secrets=["shared"])
    token = (await prepare(harness)).token
    subaccount = harness.emulator.world("twilio").add_subaccount()
    for vendor, credentials in (("kore", None), ("twilio", subaccount)):
        client = harness.emulator.client(
            "kore" if vendor == "kore" else "twilio",
            credentials=credentials,
            ticket_secrets=["shared"],
        )
        with pytest.raises(TokenError, match="another account, vendor, or API client") as rejected:
            client.resume(token)
        assert token not in str(rejected.value)
        await client.close()


# The end of a client, resets, moves.


async def test_closing_the_client_ends_it_and_another_process_goes_on(harness: Harness) -> None:
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    waiting = await harness.start(_settled(started))
    await harness.client.close()
    with pytest.raises(ClientClosed) as closed:
        await waiting
    assert closed.value.sent
    assert (await resume(harness, started.token)).status == "active"
    with pytest.raises(ClientClosed):
        await started


@pytest.mark.parametrize("sent", [True, False])
async def test_a_connectivity_reset_needs_a_trace(start_harness: OpenHarness, sent: bool) -> None:
    harness = await start_harness(TWILIO_WIRELESS)
    harness.put(harness.sid, status="active")
    await harness.clock.advance(5)
    prepared = await prepare(harness, reset_status="resetting")
    if sent:
        await prepared.send()
        assert (await resume(harness, prepared.token)).reset_status is None
        return
    with pytest.raises(PerhapsNeverSent, match="reset_status='resetting'"):
        await resume(harness, prepared.token)


async def test_a_sim_that_was_moved_is_not_found_by_its_former_account(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness()
    account = harness.emulator.world("twilio").add_subaccount().account_sid
    prepared = await prepare(harness, account_sid=account, fleet=None)
    await prepared.send()
    assert (await harness.complete(prepared)).account_sid == account
    with pytest.raises(NotFound):
        await resume(harness, prepared.token)


async def test_observers_see_the_calls(start_harness: OpenHarness) -> None:
    harness = await start_harness()
    started = await harness.complete(harness.sims.start_update(harness.sid, status="active"))
    await harness.complete(started)
    calls = [one.call for one in harness.events_of(CallStarted)]
    assert calls == ["sims.start_update", "sims.send", "sims.await_transition"]


async def test_an_unreadable_response_proves_that_it_was_accepted(clock: Any) -> None:
    sims = [{"sid": sid("DE"), "status": status} for status in ("new", "updating", "active")]
    async with open_scripted(clock) as scripted:
        posts: list[Received] = []

        async def respond(one: Received) -> ScriptedResponse:
            if one.method == "POST":
                posts.append(one)
                return ScriptedResponse(200, {**sims[1], "date_updated": "yesterday"})
            return ScriptedResponse(503 if len(posts) == 1 else 200, sims[0 if not posts else 2])

        scripted.script = respond
        wireless = scripted.client.wireless.sims
        prepared = await scripted.complete(
            wireless.prepare_update(sims[0]["sid"], status="active", timeout=TIMEOUT)
        )
        with pytest.raises(Exception, match="was accepted"):
            await scripted.complete(prepared.send())

        async def respond_settled(one: Received) -> ScriptedResponse:
            return ScriptedResponse(200, sims[2])

        scripted.script = respond_settled
        assert (await scripted.complete(prepared)).status == "active"
        with pytest.raises(Exception, match="was accepted"):
            await scripted.complete(prepared.send())
        assert len(posts) == 1
