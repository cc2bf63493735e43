"""The response of an update is lost, and the reads that follow are of no use for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim import (
    AsyncSimError,
    AuthenticationError,
    DecodeError,
    NotFound,
    PermissionDenied,
    RetryPolicy,
    ServerError,
)
from tests.callbacks import senders
from tests.http.server import Answer, Received
from tests.integration.stage import play
from tests.resources.conftest import SetFar
from tests.resources.far import AUTH_TOKEN, Far, sid

HS = sid("HS", "1")
ACTIVE: Any = {"status": "active"}
HTML = "<html>Bad gateway</html>"
ENVELOPE = {"code": 20500, "message": "internal", "status": 500}

BAD_READS = {
    "404": Answer(404, {"code": 20404, "message": "not found"}),
    "401": Answer(401, {"code": 20003, "message": "Authenticate"}),
    "403": Answer(403, {"code": 20006, "message": "denied"}),
    "HTML with 200": Answer(200, HTML),
    "an envelope with 200": Answer(200, ENVELOPE),
    "nothing with 200": Answer(200, ""),
    "503": Answer(503),
    "a gateway's 400": Answer(400, HTML),
    "a gateway's redirect": Answer(302, headers={"Location": "/login"}),
}
LOST = {
    "504": Answer(504),
    "HTML with 200": Answer(200, HTML),
    "an envelope with 200": Answer(200, ENVELOPE),
    "nothing with 202": Answer(202, ""),
}


def sim(status: str, date: str = "2026-01-01T00:00:20Z", **more: Any) -> dict[str, Any]:
    return {"sid": HS, "status": status, "date_updated": date, **more}


class Vendor:
    """Carries every change out; its responses are lost, and its reads are bad for some seconds."""

    def __init__(self, far: Far, lost: Answer, bad: Answer, seconds: float) -> None:
        self.far = far
        self.lost = lost
        self.bad = bad
        self.well_at = far.clock.now() + seconds
        self.changed = False
        far.script = self.answer

    async def answer(self, one: Received) -> Answer:
        if one.method == "POST":
            self.changed = True
            return self.lost
        if self.far.clock.now() < self.well_at:
            return self.bad
        return Answer(200, sim("active" if self.changed else "new"))

    @property
    def posts(self) -> int:
        return sum(one.method == "POST" for one in self.far.received)


async def update(far: Far) -> Any:
    return await far.client.supersim.sims.update(HS, status="active")


async def update_and_wait(far: Far) -> Any:
    return await far.client.supersim.sims.update_and_wait(HS, status="active")


async def update_many(far: Far) -> Any:
    (outcome,) = [one async for one in far.client.supersim.sims.update_many({HS: ACTIVE})]
    if outcome.error is not None:
        raise outcome.error
    return outcome.sim


WAYS: list[Callable[[Far], Any]] = [update, update_and_wait, update_many]


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize("bad", BAD_READS.values(), ids=BAD_READS.keys())
@pytest.mark.parametrize("way", WAYS)
async def test_bad_reads_after_a_lost_response_say_nothing_of_the_change(
    far: Far, way: Callable[[Far], Any], bad: Answer, lost: Answer
) -> None:
    vendor = Vendor(far, lost, bad, seconds=3.0)
    found = await far.play(way(far))
    assert (found.status, vendor.posts) == ("active", 1)


@pytest.mark.parametrize("bad", ["HTML with 200", "an envelope with 200", "503", "a gateway's 400"])
@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_wait_goes_on_reading_until_its_deadline(
    far: Far, way: Callable[[Far], Any], bad: str
) -> None:
    vendor = Vendor(far, LOST["504"], BAD_READS[bad], seconds=600.0)
    assert (await far.play(way(far))).status == "active"
    assert vendor.posts == 1


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ("404", NotFound),
        ("401", AuthenticationError),
        ("403", PermissionDenied),
        ("HTML with 200", ServerError),
        ("503", ServerError),
        ("a gateway's 400", ServerError),
    ],
)
@pytest.mark.parametrize("lost", ["504", "HTML with 200"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_ends_it_at_last_says_that_the_outcome_is_unknown_and_of_which_sim(
    far: Far, way: Callable[[Far], Any], bad: str, kind: type[AsyncSimError], lost: str
) -> None:
    vendor = Vendor(far, LOST[lost], BAD_READS[bad], seconds=1e9)
    began = far.clock.now()
    if kind is ServerError and lost != "504":
        kind = DecodeError
    with pytest.raises(kind) as caught:
        await far.play(way(far))
    assert far.clock.now() - began >= 10.0
    assert vendor.posts == 1
    assert caught.value.outcome_unknown
    text = str(caught.value)
    assert HS in text
    assert "outcome of the change is unknown, it may have been carried out" in text
    assert "again" not in text


async def test_a_refusal_after_a_lost_response_does_not_hide_that_the_first_may_be_carried_out(
    far: Far,
) -> None:
    refusal = Answer(400, {"code": 83007, "message": "no Fleet"})
    far.plan(Answer(504), sim("new"), refusal, sim("new"))
    with pytest.raises(AsyncSimError, match=r"83007.*outcome of the change is unknown"):
        await far.play(update(far))


async def test_a_server_that_is_gone_after_a_lost_response_does_not_hide_it_either(
    set_far: SetFar,
) -> None:
    far = await set_far(retry=RetryPolicy(attempts=2))
    far.plan(Answer(504), sim("new"), Answer("drop"), sim("new"))
    with pytest.raises(AsyncSimError, match=f"{HS}.*outcome of the change is unknown"):
        await far.play(update(far))


async def test_an_error_that_others_share_is_not_marked_for_them(far: Far) -> None:
    Vendor(far, LOST["504"], BAD_READS["401"], seconds=1e9)
    with pytest.raises(AuthenticationError, match="outcome of the change is unknown"):
        await far.play(update(far))
    with pytest.raises(AuthenticationError) as caught:
        await far.play(far.client.supersim.sims.fetch(HS))
    assert not caught.value.outcome_unknown


async def test_a_wait_that_has_ended_is_not_held_up_by_a_long_retry_after(set_far: SetFar) -> None:
    far = await set_far(listens=True)

    async def answer(one: Received) -> Answer:
        if one.method == "POST":
            return Answer(503, headers={"Retry-After": "300"})
        return Answer(200, sim("active"))

    far.script = answer
    work = asyncio.create_task(update_and_wait(far))
    await far.clock.settle()
    began = far.clock.now()
    url = parse_qs(far.received[0].body)["CallbackUrl"][0]
    params = {"SimSid": HS, "SimStatus": "active"}
    assert await senders.twilio(url, params, secret=AUTH_TOKEN).post() == 204
    assert (await far.play(work)).status == "active"
    assert far.clock.now() - began < 1.0


@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_wait_reads_where_the_server_asks_for_a_longer_pause_than_it_lasts(
    far: Far, way: Callable[[Far], Any]
) -> None:
    absurd = Answer(503, headers={"Retry-After": "1000000000"})
    vendor = Vendor(far, absurd, absurd, seconds=30.0)
    assert (await far.play(way(far))).status == "active"
    assert (vendor.posts, far.clock.now() < 300.0) == (1, True)


async def test_a_change_that_may_not_be_sent_before_the_pause_is_over_is_not_sent_again(
    far: Far,
) -> None:
    far.plan(Answer(503, headers={"Retry-After": "1000000000"}), sim("new"))
    with pytest.raises(ServerError, match="outcome of the change is unknown") as caught:
        await far.play(update_and_wait(far))
    assert caught.value.retry_after == 1000000000
    assert [one.method for one in far.received] == ["POST", "GET"]


@pytest.mark.parametrize(("way", "most"), [(update, 10.0), (update_and_wait, 900.0)])
async def test_reads_after_a_lost_response_end_in_time_where_none_is_answered(
    set_far: SetFar, way: Callable[[Far], Any], most: float
) -> None:
    far = await set_far(retry=RetryPolicy(base=1000.0, cap=1000.0, longest_pause=1000.0))
    Vendor(far, LOST["504"], Answer("drop"), seconds=1e9)
    began = far.clock.now()
    with pytest.raises(AsyncSimError, match="outcome of the change is unknown"):
        await play(far.clock, way(far), within=20000.0)
    assert far.clock.now() - began <= 1000.0 + most


@pytest.mark.parametrize("way", ["update_and_wait", "update_many"])
async def test_after_a_lost_response_a_copy_from_before_an_earlier_change_proves_nothing(
    far: Far, way: str
) -> None:
    """It was `active` before, so that an old copy shows the very target of the change."""
    before, between, later = (f"2026-01-01T00:00:{second}Z" for second in ("00", "10", "20"))
    far.plan(Answer(202, sim("scheduled", before)), sim("inactive", between))
    await far.play(changed(far, way, "inactive"))
    far.plan(Answer(504), sim("active", before), sim("inactive", between))
    far.plan(Answer(202, sim("scheduled", between)), sim("active", later))
    await far.play(changed(far, way, "active"))
    assert [one.method for one in far.received].count("POST") == 3  # the lost one was not done


async def changed(far: Far, way: str, status: Any) -> None:
    sims = far.client.supersim.sims
    if way == "update_and_wait":
        assert (await sims.update_and_wait(HS, status=status)).status == status
        return
    (outcome,) = [one async for one in sims.update_many({HS: {"status": status}})]
    assert outcome.ok
