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
from tests.http.server import Received, ScriptedResponse
from tests.integration.harness import complete
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import AUTH_TOKEN, ScriptedApi, sid

HS = sid("HS", "1")
ACTIVE: Any = {"status": "active"}
HTML = "<html>Bad gateway</html>"
ENVELOPE = {"code": 20500, "message": "internal", "status": 500}

BAD_READS = {
    "404": ScriptedResponse(404, {"code": 20404, "message": "not found"}),
    "401": ScriptedResponse(401, {"code": 20003, "message": "Authenticate"}),
    "403": ScriptedResponse(403, {"code": 20006, "message": "denied"}),
    "HTML with 200": ScriptedResponse(200, HTML),
    "an envelope with 200": ScriptedResponse(200, ENVELOPE),
    "nothing with 200": ScriptedResponse(200, ""),
    "503": ScriptedResponse(503),
    "a gateway's 400": ScriptedResponse(400, HTML),
    "a gateway's redirect": ScriptedResponse(302, headers={"Location": "/login"}),
}
LOST = {
    "504": ScriptedResponse(504),
    "HTML with 200": ScriptedResponse(200, HTML),
    "an envelope with 200": ScriptedResponse(200, ENVELOPE),
    "nothing with 202": ScriptedResponse(202, ""),
}


def sim(status: str, date: str = "2026-01-01T00:00:20Z", **more: Any) -> dict[str, Any]:
    return {"sid": HS, "status": status, "date_updated": date, **more}


class Vendor:
    """Carries every change out; its responses are lost, and its reads are bad for some seconds."""

    def __init__(
        self, scripted: ScriptedApi, lost: ScriptedResponse, bad: ScriptedResponse, seconds: float
    ) -> None:
        self.scripted = scripted
        self.lost = lost
        self.bad = bad
        self.well_at = scripted.clock.now() + seconds
        self.changed = False
        scripted.script = self.answer

    async def answer(self, one: Received) -> ScriptedResponse:
        if one.method == "POST":
            self.changed = True
            return self.lost
        if self.scripted.clock.now() < self.well_at:
            return self.bad
        return ScriptedResponse(200, sim("active" if self.changed else "new"))

    @property
    def posts(self) -> int:
        return sum(one.method == "POST" for one in self.scripted.received)


async def update(scripted: ScriptedApi) -> Any:
    return await scripted.client.supersim.sims.update(HS, status="active")


async def update_and_wait(scripted: ScriptedApi) -> Any:
    return await scripted.client.supersim.sims.update_and_wait(HS, status="active")


async def update_many(scripted: ScriptedApi) -> Any:
    (outcome,) = [one async for one in scripted.client.supersim.sims.update_many({HS: ACTIVE})]
    if outcome.error is not None:
        raise outcome.error
    return outcome.sim


WAYS: list[Callable[[ScriptedApi], Any]] = [update, update_and_wait, update_many]


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize("bad", BAD_READS.values(), ids=BAD_READS.keys())
@pytest.mark.parametrize("way", WAYS)
async def test_bad_reads_after_a_lost_response_say_nothing_of_the_change(
    scripted: ScriptedApi,
    way: Callable[[ScriptedApi], Any],
    bad: ScriptedResponse,
    lost: ScriptedResponse,
) -> None:
    vendor = Vendor(scripted, lost, bad, seconds=3.0)
    found = await scripted.complete(way(scripted))
    assert (found.status, vendor.posts) == ("active", 1)


@pytest.mark.parametrize("bad", ["HTML with 200", "an envelope with 200", "503", "a gateway's 400"])
@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_wait_goes_on_reading_until_its_deadline(
    scripted: ScriptedApi, way: Callable[[ScriptedApi], Any], bad: str
) -> None:
    vendor = Vendor(scripted, LOST["504"], BAD_READS[bad], seconds=600.0)
    assert (await scripted.complete(way(scripted))).status == "active"
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
    scripted: ScriptedApi,
    way: Callable[[ScriptedApi], Any],
    bad: str,
    kind: type[AsyncSimError],
    lost: str,
) -> None:
    vendor = Vendor(scripted, LOST[lost], BAD_READS[bad], seconds=1e9)
    began = scripted.clock.now()
    if kind is ServerError and lost != "504":
        kind = DecodeError
    with pytest.raises(kind) as caught:
        await scripted.complete(way(scripted))
    assert scripted.clock.now() - began >= 10.0
    assert vendor.posts == 1
    assert caught.value.outcome_unknown
    text = str(caught.value)
    assert HS in text
    assert "outcome of the change is unknown, it may have been carried out" in text
    assert "again" not in text


async def test_a_refusal_after_a_lost_response_does_not_hide_that_the_first_may_be_carried_out(
    scripted: ScriptedApi,
) -> None:
    refusal = ScriptedResponse(400, {"code": 83007, "message": "no Fleet"})
    scripted.plan(ScriptedResponse(504), sim("new"), refusal, sim("new"))
    with pytest.raises(AsyncSimError, match=r"83007.*outcome of the change is unknown"):
        await scripted.complete(update(scripted))


async def test_a_server_that_is_gone_after_a_lost_response_does_not_hide_it_either(
    set_scripted: OpenScripted,
) -> None:
    scripted = await set_scripted(retry=RetryPolicy(attempts=2))
    scripted.plan(ScriptedResponse(504), sim("new"), ScriptedResponse("drop"), sim("new"))
    with pytest.raises(AsyncSimError, match=f"{HS}.*outcome of the change is unknown"):
        await scripted.complete(update(scripted))


async def test_an_error_that_others_share_is_not_marked_for_them(scripted: ScriptedApi) -> None:
    Vendor(scripted, LOST["504"], BAD_READS["401"], seconds=1e9)
    with pytest.raises(AuthenticationError, match="outcome of the change is unknown"):
        await scripted.complete(update(scripted))
    with pytest.raises(AuthenticationError) as caught:
        await scripted.complete(scripted.client.supersim.sims.fetch(HS))
    assert not caught.value.outcome_unknown


async def test_a_wait_that_has_ended_is_not_held_up_by_a_long_retry_after(
    set_scripted: OpenScripted,
) -> None:
    scripted = await set_scripted(listens=True)

    async def answer(one: Received) -> ScriptedResponse:
        if one.method == "POST":
            return ScriptedResponse(503, headers={"Retry-After": "300"})
        return ScriptedResponse(200, sim("active"))

    scripted.script = answer
    work = asyncio.create_task(update_and_wait(scripted))
    await scripted.clock.settle()
    began = scripted.clock.now()
    url = parse_qs(scripted.received[0].body)["CallbackUrl"][0]
    params = {"SimSid": HS, "SimStatus": "active"}
    assert await senders.twilio(url, params, secret=AUTH_TOKEN).post() == 204
    assert (await scripted.complete(work)).status == "active"
    assert scripted.clock.now() - began < 1.0


@pytest.mark.parametrize("way", [update_and_wait, update_many])
async def test_a_wait_reads_where_the_server_asks_for_a_longer_pause_than_it_lasts(
    scripted: ScriptedApi, way: Callable[[ScriptedApi], Any]
) -> None:
    absurd = ScriptedResponse(503, headers={"Retry-After": "1000000000"})
    vendor = Vendor(scripted, absurd, absurd, seconds=30.0)
    assert (await scripted.complete(way(scripted))).status == "active"
    assert (vendor.posts, scripted.clock.now() < 300.0) == (1, True)


async def test_a_change_that_may_not_be_sent_before_the_pause_is_over_is_not_sent_again(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(ScriptedResponse(503, headers={"Retry-After": "1000000000"}), sim("new"))
    with pytest.raises(ServerError, match="outcome of the change is unknown") as caught:
        await scripted.complete(update_and_wait(scripted))
    assert caught.value.retry_after == 1000000000
    assert [one.method for one in scripted.received] == ["POST", "GET"]


@pytest.mark.parametrize(("way", "most"), [(update, 10.0), (update_and_wait, 900.0)])
async def test_reads_after_a_lost_response_end_in_time_where_none_is_answered(
    set_scripted: OpenScripted, way: Callable[[ScriptedApi], Any], most: float
) -> None:
    scripted = await set_scripted(retry=RetryPolicy(base=1000.0, cap=1000.0, longest_pause=1000.0))
    Vendor(scripted, LOST["504"], ScriptedResponse("drop"), seconds=1e9)
    began = scripted.clock.now()
    with pytest.raises(AsyncSimError, match="outcome of the change is unknown"):
        await complete(scripted.clock, way(scripted), within=20000.0)
    assert scripted.clock.now() - began <= 1000.0 + most


@pytest.mark.parametrize("way", ["update_and_wait", "update_many"])
async def test_after_a_lost_response_a_copy_from_before_an_earlier_change_proves_nothing(
    scripted: ScriptedApi, way: str
) -> None:
    """It was `active` before, so that an old copy shows the very target of the change."""
    before, between, later = (f"2026-01-01T00:00:{second}Z" for second in ("00", "10", "20"))
    scripted.plan(ScriptedResponse(202, sim("scheduled", before)), sim("inactive", between))
    await scripted.complete(changed(scripted, way, "inactive"))
    scripted.plan(ScriptedResponse(504), sim("active", before), sim("inactive", between))
    scripted.plan(ScriptedResponse(202, sim("scheduled", between)), sim("active", later))
    await scripted.complete(changed(scripted, way, "active"))
    assert [one.method for one in scripted.received].count("POST") == 3  # the lost one was not done


async def changed(scripted: ScriptedApi, way: str, status: Any) -> None:
    sims = scripted.client.supersim.sims
    if way == "update_and_wait":
        assert (await sims.update_and_wait(HS, status=status)).status == status
        return
    (outcome,) = [one async for one in sims.update_many({HS: {"status": status}})]
    assert outcome.ok
