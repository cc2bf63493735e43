"""update_many: lazy, bounded by a window, exactly one outcome per SIM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from asyncsim import (
    BadRequest,
    ClientClosed,
    Conflict,
    NotFound,
    Outcome,
    RetryPolicy,
    TransitionFailed,
)
from asyncsim.emulator import Faults, Latency
from tests.integration.conftest import OpenHarness
from tests.integration.harness import TRANSITION, Api, Harness

TWILIO_SUPERSIM = Api("twilio", "supersim")
ACTIVE = {"status": "active"}


@pytest.fixture
async def many(start_harness: OpenHarness) -> Harness:
    return await start_harness(TWILIO_SUPERSIM, sims=30)


def sids_posted(harness: Harness) -> list[str]:
    return [
        one.path.rpartition("/")[2] for one in harness.emulator.requests if one.method == "POST"
    ]


async def test_an_outcome_has_all_its_fields(harness: Harness) -> None:
    outcomes = await harness.collect(harness.sims.update_many({harness.sid: ACTIVE}))
    outcome = outcomes[harness.sid]
    assert isinstance(outcome, Outcome)
    assert (outcome.ok, outcome.error, outcome.requested) == (True, None, ACTIVE)
    assert outcome.sim is not None
    assert (outcome.sim.sid, outcome.sim.status) == (harness.sid, "active")
    assert (outcome.settled_by, outcome.confirmed) == ("read", True)
    assert outcome.requests == len(harness.posts()) + len(harness.reads())
    assert outcome.seconds == harness.clock.now() >= TRANSITION
    assert harness.is_idle


async def test_input_may_be_a_mapping_an_iterable_or_an_async_iterable(many: Harness) -> None:
    async def stream() -> AsyncIterator[tuple[str, dict[str, str]]]:
        for sid in many.sids[20:]:
            await asyncio.sleep(0)
            yield sid, ACTIVE

    for changes in (
        dict.fromkeys(many.sids[:10], ACTIVE),
        ((sid, ACTIVE) for sid in many.sids[10:20]),
        stream(),
    ):
        outcomes = await many.collect(many.sims.update_many(changes))
        assert len(outcomes) == 10
    assert {sim.status for sim in many.store.values()} == {"active"}


async def test_empty_input_gives_no_outcomes(many: Harness) -> None:
    assert await many.collect(many.sims.update_many({})) == {}
    assert list(many.emulator.requests) == []


async def test_the_window_bounds_sims_in_flight_and_input_read(many: Harness) -> None:
    consumed = 0

    def changes() -> Iterator[tuple[str, dict[str, str]]]:
        nonlocal consumed
        for sid in many.sids:
            consumed += 1
            yield sid, ACTIVE

    work = many.sims.update_many(changes(), window=4)
    first = await many.start(anext(work))
    assert (consumed, len(sids_posted(many)), len(work.unfinished)) == (4, 4, 4)
    await many.complete(first)
    await many.clock.advance(300)
    assert consumed == 5, "a slow consumer throttles the input"
    rest = await many.collect(work)
    assert (len(rest), consumed) == (29, 30)
    assert work.unfinished == {}


async def test_nothing_is_sent_before_the_first_outcome_is_requested(many: Harness) -> None:
    many.sims.update_many({many.sid: ACTIVE})
    await many.clock.settle()
    assert list(many.emulator.requests) == []


async def test_a_sid_already_in_the_window_is_an_error_outcome(many: Harness) -> None:
    pairs = [(many.sid, ACTIVE), (many.sid, {"status": "ready"}), (many.sids[1], ACTIVE)]

    async def collect() -> list[Outcome[Any]]:
        return [one async for one in many.sims.update_many(pairs)]

    outcomes = await many.complete(collect())
    twice = [one for one in outcomes if one.sid == many.sid]
    assert [type(one.error) for one in twice] == [ValueError, type(None)]
    assert (twice[0].requests, twice[0].requested) == (0, {"status": "ready"})
    assert len(many.posts()) == 1


async def test_a_sid_may_be_repeated_once_it_has_settled(many: Harness) -> None:
    pairs = [(many.sid, {"status": "ready"}), (many.sid, ACTIVE)]

    async def collect() -> list[Outcome[Any]]:
        return [one async for one in many.sims.update_many(pairs, window=1)]

    assert [one.ok for one in await many.complete(collect())] == [True, True]


async def test_an_error_affects_only_the_outcome_of_its_sim(many: Harness) -> None:
    many.put(many.sids[1], status="active")
    many.put(many.sids[2], fleet_sid=None)
    wireless = "DE" + "0" * 32
    changes = {
        many.sids[0]: ACTIVE,
        "unknown": ACTIVE,
        many.sids[1]: {"status": "ready"},
        many.sids[2]: ACTIVE,
        many.sids[3]: {"statsu": "active"},
        many.sids[4]: {"status": "activ"},
        many.sids[5]: {"fleet": "no-such-fleet"},
        wireless: ACTIVE,
        "": ACTIVE,
    }
    outcomes = await many.collect(many.sims.update_many(changes))
    errors = {sid: type(one.error) for sid, one in outcomes.items()}
    assert errors == {
        many.sids[0]: type(None),
        "unknown": NotFound,
        many.sids[1]: BadRequest,
        many.sids[2]: BadRequest,
        many.sids[3]: TypeError,
        many.sids[4]: ValueError,
        many.sids[5]: NotFound,
        wireless: ValueError,
        "": ValueError,
    }
    sent = {sid: one.requests for sid, one in outcomes.items() if one.error is not None}
    assert sent == {**dict.fromkeys(sent, 0), "unknown": 1, many.sids[1]: 2, many.sids[2]: 1}
    assert all(one.settled_by is None for one in outcomes.values() if one.error)
    assert many.is_idle


async def test_a_failed_change_is_an_outcome_with_its_final_record(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, world={"faults": Faults(failing_updates=1.0)})
    outcome = (await harness.collect(harness.sims.update_many({harness.sid: ACTIVE})))[harness.sid]
    assert isinstance(outcome.error, TransitionFailed)
    assert (outcome.ok, outcome.sim.status) == (False, "new")


async def test_after_a_conflict_the_change_is_resent_once(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="ready")
    outcome = (await harness.collect(harness.sims.update_many({harness.sid: ACTIVE})))[harness.sid]
    assert (outcome.ok, outcome.sim.status, len(harness.posts())) == (True, "active", 3)
    assert outcome.requests == len(harness.posts()) - 1 + len(harness.reads())
    assert outcome.seconds >= 2 * TRANSITION
    assert harness.is_idle


async def test_rerunning_interrupted_changes_reports_no_rejections(
    start_harness: OpenHarness, api: Api
) -> None:
    # Responses are so slow that many SIMs settle between a rejection and the read after it.
    latency = Latency(transition=2.0, sigma=0.8, callback=0.0)
    harness = await start_harness(
        api, sims=60, world={"latency": latency, "faults": Faults(answer_takes=0.5)}
    )
    changes = [harness.sims.update(sid, status="ready") for sid in harness.sids]
    await harness.complete(asyncio.gather(*changes))
    outcomes = await harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids, ACTIVE)))
    assert [one.error for one in outcomes.values() if not one.ok] == []


async def test_a_conflict_with_the_same_change_is_not_resent(harness: Harness) -> None:
    await harness.sims.update(harness.sid, status="active")
    outcome = (await harness.collect(harness.sims.update_many({harness.sid: ACTIVE})))[harness.sid]
    assert (outcome.ok, outcome.sim.status, len(harness.posts())) == (True, "active", 2)
    assert outcome.confirmed


async def test_a_conflict_after_the_last_attempt_is_the_outcome(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, retry=RetryPolicy(attempts=1))
    await harness.sims.update(harness.sid, status="ready")

    resource, changed_again = harness.sims.resource, asyncio.Event()
    fetch = resource.fetch

    async def fetch_settled(name: str, **how: Any) -> Any:
        record = await fetch(name, **how)
        if changed_again.is_set():
            resource.fetch = fetch
            return type(record)(sid=record.sid, status="ready")
        return record

    async def change_again() -> None:
        """Change the SIM again as soon as it settles, before update_many can."""
        while harness.store[harness.sid].status in harness.sims.kind.pending:
            await harness.clock.sleep(0.01)
        harness.put(harness.sid, status=min(harness.sims.kind.pending))
        changed_again.set()

    resource.fetch = fetch_settled  # before the watcher is created, which reads with it
    work = await harness.start(harness.sims.update_many({harness.sid: ACTIVE}).__anext__())
    other = asyncio.create_task(change_again())
    outcome = await harness.complete(work)
    await other
    assert isinstance(outcome.error, Conflict)
    assert len(harness.posts()) == 3


async def test_a_fleet_named_in_200_updates_is_looked_up_once(
    start_harness: OpenHarness, api: Api
) -> None:
    harness = await start_harness(api, sims=200)
    keyword, path = (
        ("fleet", "/v1/Fleets/other")
        if api.product == "supersim"
        else ("rate_plan", "/v1/RatePlans/other")
    )
    changes = {sid: {**ACTIVE, keyword: "other"} for sid in harness.sids}
    outcomes = await harness.collect(harness.sims.update_many(changes))
    assert all(one.ok for one in outcomes.values())
    assert [one.path for one in harness.emulator.requests].count(path) == 1


async def test_an_unknown_fleet_is_looked_up_only_once(many: Harness) -> None:
    changes = {sid: {"fleet": "misspelt"} for sid in many.sids}
    outcomes = await many.collect(many.sims.update_many(changes))
    assert {type(one.error) for one in outcomes.values()} == {NotFound}
    assert len(many.emulator.requests) == 1


async def test_closing_early_leaves_pending_changes_in_unfinished(many: Harness) -> None:
    many.put(many.sid, status="active")  # settles at once
    changes = dict.fromkeys(many.sids[:10], ACTIVE)
    async with many.sims.update_many(changes, window=5) as work:
        outcome = await many.complete(anext(work))
        assert outcome.sid == many.sid
    assert set(work.unfinished) <= set(many.sids[1:10])
    assert len(work.unfinished) >= 4
    assert work.unfinished == dict.fromkeys(work.unfinished, ACTIVE)
    posted = sids_posted(many)
    await many.clock.advance(60)
    assert sids_posted(many) == posted, "nothing more is sent"
    assert set(posted) <= {many.sid, *work.unfinished}
    assert many.is_idle
    assert [one async for one in work] == []


@pytest.mark.parametrize("exit_by", ["break", "error"])
async def test_leaving_the_loop_closes_the_iterator(many: Harness, exit_by: str) -> None:
    many.put(many.sid, status="active")
    changes = dict.fromkeys(many.sids, ACTIVE)
    work = many.sims.update_many(changes, window=5)

    async def take_one() -> None:
        async for outcome in work:
            assert outcome.sid == many.sid
            if exit_by == "break":
                break
            raise RuntimeError("an error in the loop body")

    await asyncio.gather(many.complete(take_one()), return_exceptions=True)
    await many.clock.settle()
    posted = sids_posted(many)
    assert len(posted) < 10
    await many.clock.advance(2 * TRANSITION)
    assert sids_posted(many) == posted, "nothing more is sent"
    assert many.is_idle
    assert set(posted) <= {many.sid, *work.unfinished}
    assert [one async for one in work] == []


async def test_leaving_the_loop_and_the_context_awaits_the_responses_in_flight(
    many: Harness,
) -> None:
    many.put(many.sid, status="active")

    async def take_one() -> None:
        async with many.sims.update_many(dict.fromkeys(many.sids, ACTIVE), window=2) as work:
            async for _ in work:
                many.emulator.faults = Faults(answer_takes=5.0)
                await many.clock.sleep(1.0)
                break
            await many.clock.sleep(1.0)
        assert not work._tasks

    await many.complete(take_one())
    assert len(sids_posted(many)) == 3
    assert many.clock.now() == 5.0, "the third was in flight"
    assert many.is_idle
    await many.clock.advance(60)


async def test_two_concurrent_closes_both_wait_for_the_end(many: Harness) -> None:
    many.emulator.faults = Faults(answer_takes=5.0)
    work = many.sims.update_many({many.sid: ACTIVE})
    first = await many.start(anext(work))
    closings = [await many.start(work.aclose()), await many.start(work.aclose())]
    assert [one.done() for one in closings] == [False, False]
    await many.complete(asyncio.gather(*closings))
    with pytest.raises(StopAsyncIteration):
        await first


async def test_closing_early_awaits_the_responses_in_flight(many: Harness) -> None:
    many.emulator.faults = Faults(answer_takes=5.0)
    work = many.sims.update_many(dict.fromkeys(many.sids[:3], ACTIVE))
    first = await many.start(anext(work))
    assert len(sids_posted(many)) == 3
    closing = await many.start(work.aclose())
    assert not closing.done()
    await many.complete(closing)
    assert many.clock.now() == 5.0
    assert set(work.unfinished) == set(many.sids[:3])
    with pytest.raises(StopAsyncIteration):
        await first
    assert many.is_idle


@pytest.mark.parametrize("processed", [0.0, 1.0], ids=["not-carried-out", "carried-out"])
async def test_a_post_that_is_lost_during_close_is_not_resent(
    many: Harness, processed: float
) -> None:
    many.emulator.faults = Faults(answer_takes=5.0, dropped=1.0, share_processed=processed)
    work = many.sims.update_many({many.sid: ACTIVE})
    first = await many.start(anext(work))
    await many.complete(work.aclose())
    await asyncio.gather(first, return_exceptions=True)
    await many.clock.advance(60)
    assert (len(many.emulator.requests), work.unfinished) == (1, {many.sid: ACTIVE})
    assert many.is_idle


async def test_a_conflict_during_close_is_not_waited_for(many: Harness) -> None:
    await many.sims.update(many.sid, status="ready")
    many.emulator.faults = Faults(answer_takes=1.0)
    work = many.sims.update_many({many.sid: ACTIVE})
    first = await many.start(anext(work))
    posted = sids_posted(many)
    await many.complete(work.aclose())
    with pytest.raises(StopAsyncIteration):
        await first
    assert many.clock.now() < TRANSITION, "closing did not wait for the other change to settle"
    assert (sids_posted(many), work.unfinished) == (posted, {many.sid: ACTIVE})
    await many.clock.advance(2 * TRANSITION)
    assert sids_posted(many) == posted
    assert many.is_idle


async def test_closing_ends_waiting_for_a_conflict(many: Harness) -> None:
    await many.sims.update(many.sid, status="ready")
    work = many.sims.update_many({many.sid: ACTIVE})
    first = await many.start(anext(work))
    assert len(many.posts()) == 2, "rejected by now"
    await many.complete(work.aclose())
    with pytest.raises(StopAsyncIteration):
        await first
    await many.clock.advance(2 * TRANSITION)
    assert (len(many.posts()), work.unfinished) == (2, {many.sid: ACTIVE})
    assert many.is_idle


@pytest.mark.parametrize("more", [0, 10], ids=["all-read", "more-to-read"])
async def test_an_outcome_that_settles_during_close_is_still_returned(
    many: Harness, more: int
) -> None:
    many.put(many.sid, status="active")
    many.emulator.faults = Faults(answer_takes=5.0)
    work = many.sims.update_many(dict.fromkeys(many.sids[: 2 + more], ACTIVE), window=2)
    first = await many.start(anext(work))
    await many.complete(work.aclose())
    assert (await first).sid == many.sid
    assert set(work.unfinished) == {many.sids[1]}
    assert [one async for one in work] == []


async def test_a_cancelled_close_still_closes(many: Harness) -> None:
    many.emulator.faults = Faults(answer_takes=5.0)
    work = many.sims.update_many(dict.fromkeys(many.sids[:3], ACTIVE))
    first = await many.start(anext(work))
    closing = await many.start(work.aclose())
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(StopAsyncIteration):
        await first
    assert set(work.unfinished) == set(many.sids[:3])
    await many.clock.advance(6)
    assert many.is_idle


async def test_a_close_that_is_cancelled_while_the_input_ends_leaves_no_request(
    many: Harness,
) -> None:
    async def slow_to_end() -> AsyncIterator[tuple[str, dict[str, str]]]:
        try:
            for sid in many.sids[:3]:
                yield sid, ACTIVE
            await asyncio.get_running_loop().create_future()
        finally:
            await many.clock.sleep(5.0)

    many.emulator.faults = Faults(answer_takes=60.0)
    work = many.sims.update_many(slow_to_end())
    first = await many.start(anext(work))
    assert len(sids_posted(many)) == 3
    closing = await many.start(work.aclose())
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not work._tasks
    with pytest.raises(StopAsyncIteration):
        await first
    await many.clock.advance(60)
    assert many.is_idle


async def test_closing_before_the_start_or_twice_does_nothing(many: Harness) -> None:
    work = many.sims.update_many({many.sid: ACTIVE})
    await work.aclose()
    await work.aclose()
    assert [one async for one in work] == []
    assert list(many.emulator.requests) == []


async def test_an_error_in_the_input_is_raised_after_earlier_changes_settle(
    many: Harness,
) -> None:
    def broken() -> Iterator[tuple[str, dict[str, str]]]:
        yield many.sid, ACTIVE
        raise RuntimeError("the file ends here")

    work, seen = many.sims.update_many(broken()), []

    async def consume() -> None:
        async for outcome in work:
            seen.append(outcome.sid)  # noqa: PERF401  # outcomes before the error must be kept

    with pytest.raises(RuntimeError, match="the file ends here"):
        await many.complete(consume())
    assert (seen, work.unfinished, many.is_idle) == ([many.sid], {}, True)


@pytest.mark.parametrize("pair", ["HS1", ("HS1",), ("HS1", "active"), (7, ACTIVE), None])
async def test_input_that_is_not_a_pair_raises_a_type_error(many: Harness, pair: object) -> None:
    with pytest.raises(TypeError, match=r"\(SID, changes\) pairs"):
        await many.collect(many.sims.update_many([pair]))


async def test_invalid_settings_are_rejected_at_once(many: Harness) -> None:
    with pytest.raises(ValueError, match="window=0"):
        many.sims.update_many({}, window=0)
    with pytest.raises(ValueError, match="timeout=0"):
        many.sims.update_many({}, timeout=0)


async def test_cancelling_the_consumer_leaves_no_wait(many: Harness) -> None:
    work = many.sims.update_many(dict.fromkeys(many.sids, ACTIVE))

    async def consume() -> None:
        async with work:
            async for _ in work:
                pass

    task = await many.start(consume())
    await many.clock.advance(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await many.clock.settle()
    assert len(work.unfinished) == 30
    assert many.is_idle


async def test_closing_the_client_ends_the_iteration_with_client_closed(many: Harness) -> None:
    work = many.sims.update_many(dict.fromkeys(many.sids[:3], ACTIVE))
    first = await many.start(anext(work))
    await many.client.close()
    with pytest.raises(
        ClientClosed, match=r"3 SIMs are left in \.unfinished: the client"
    ) as caught:
        await first
    assert caught.value.sent
    assert set(work.unfinished) == set(many.sids[:3])


async def test_a_closed_client_raises_once_instead_of_per_sim(many: Harness) -> None:
    await many.client.close()
    with pytest.raises(ClientClosed, match="no change had been sent"):
        await many.collect(many.sims.update_many(dict.fromkeys(many.sids, ACTIVE)))


async def test_429s_of_a_concurrency_limit_are_no_sims_error(
    start_harness: OpenHarness, api: Api
) -> None:
    faults = Faults(concurrency=8, answer_takes=0.2, rate_limited=0.05, seed=2)
    harness = await start_harness(api, sims=100, world={"faults": faults})
    outcomes = await harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids, ACTIVE)))
    assert all(one.ok for one in outcomes.values())
    assert any(one.status == 429 for one in harness.emulator.requests)
