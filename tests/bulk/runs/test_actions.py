"""Jobs of the other kinds: registering, deleting, resetting, sending texts."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import NotConfirmed, OutcomeUnknown
from asyncsim.bulk.records import State
from asyncsim.emulator import Faults
from tests.bulk.runs.conftest import Desk, OpenDesk
from tests.integration.stage import PLACES, Place

SUPERSIM, WIRELESS = PLACES[0], PLACES[1]


def texts(desk: Desk, path: str) -> list[Any]:
    return [
        one for one in desk.stage.emulator.requests if one.method == "POST" and path in one.path
    ]


async def activated(open_desk: OpenDesk, place: Place = SUPERSIM, **settings: Any) -> Desk:
    desk = await open_desk(place, sims=30, **settings)
    for sid in desk.stage.sids:
        desk.stage.put(sid, status="active")
    return desk


async def test_a_reset_is_sent_once_and_awaited(open_desk: OpenDesk) -> None:
    desk = await activated(open_desk, WIRELESS)
    report = await desk.run(desk.job(change={"reset_status": "resetting"}))
    assert report.ok
    assert set(desk.posts().values()) == {1}


async def test_deleting_needs_the_number(open_desk: OpenDesk) -> None:
    desk = await open_desk(WIRELESS, sims=12)
    job = desk.job(change=None, action="delete")
    with pytest.raises(NotConfirmed, match="deletes"):
        await desk.run(job)
    assert (await desk.run(job, confirm=12)).ok
    assert not desk.stage.store


async def test_deleting_what_is_half_deleted_goes_on(open_desk: OpenDesk) -> None:
    faults = Faults(dropped=0.4, share_processed=1.0, seed=5)
    desk = await open_desk(WIRELESS, sims=12, world={"faults": faults})
    job = desk.job(change=None, action="delete")
    assert (await desk.run(job, confirm=12)).ok
    assert not desk.stage.store


@pytest.mark.parametrize("place", [SUPERSIM, WIRELESS], ids="-".join)
async def test_a_text_goes_to_every_sim(open_desk: OpenDesk, place: Place) -> None:
    desk = await activated(open_desk, place)
    keyword = "payload" if place.product == "supersim" else "command"
    report = await desk.run(desk.job(change={keyword: "wake up"}, action="send"))
    assert report.ok
    assert len(texts(desk, "Commands")) == 30


async def test_a_text_whose_answer_was_lost_is_never_sent_again(open_desk: OpenDesk) -> None:
    faults = Faults(dropped=0.3, share_processed=1.0, seed=3)
    desk = await activated(open_desk, world={"faults": faults})
    job = desk.job(change={"payload": "wake up"}, action="send")
    report = await desk.run(job)
    unknown = [name for name, state in (await desk.states()).items() if state is State.UNKNOWN]
    assert unknown
    assert report.finished
    assert len(texts(desk, "Commands")) == 30
    desk.stage.emulator.faults = Faults()
    await desk.run(job)
    assert len(texts(desk, "Commands")) == 30
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    assert {type(one) for one in caught.value.exceptions} == {OutcomeUnknown}


async def test_a_text_to_a_sim_that_cannot_receive_fails(open_desk: OpenDesk) -> None:
    desk = await open_desk(sims=12)
    report = await desk.run(desk.job(change={"payload": "wake up"}, action="send"))
    assert set((await desk.states()).values()) == {State.FAILED}
    assert not report.ok


async def test_texts_that_did_not_settle_in_time_are_awaited_by_the_next_run(
    open_desk: OpenDesk,
) -> None:
    desk = await activated(open_desk)
    job = desk.job(change={"payload": "wake up"}, action="send")
    await desk.run(job, timeout=0.001)
    assert set((await desk.states()).values()) == {State.TIMED_OUT}
    assert (await desk.run(job)).ok
    assert len(texts(desk, "Commands")) == 30
