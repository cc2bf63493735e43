"""Updates whose response is lost, followed by failing or malformed reads."""

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
    "an error envelope with 200": ScriptedResponse(200, ENVELOPE),
    "an empty body with 200": ScriptedResponse(200, ""),
    "503": ScriptedResponse(503),
    "a gateway's 400": ScriptedResponse(400, HTML),
    "a gateway's redirect": ScriptedResponse(302, headers={"Location": "/login"}),
}
LOST = {
    "504": ScriptedResponse(504),
    "HTML with 200": ScriptedResponse(200, HTML),
    "an error envelope with 200": ScriptedResponse(200, ENVELOPE),
    "an empty body with 202": ScriptedResponse(202, ""),
}


def sim(status: str, date: str = "2026-01-01T00:00:20Z", **more: Any) -> dict[str, Any]:
    return {"sid": HS, "status": status, "date_updated": date, **more}


class Vendor:
    """Carries out every change, loses every response, and serves bad reads for some seconds."""

    def __init__(
        self, scripted: ScriptedApi, lost: ScriptedResponse, bad: ScriptedResponse, seconds: float
    ) -> None:
        self.scripted = scripted
        self.lost = lost
        self.bad = bad
        self.recovers_at = scripted.clock.now() + seconds
        self.changed = False
        scripted.script = self.respond

    async def respond(self, one: Received) -> ScriptedResponse:
        if one.method == "POST":
            self.changed = True
            return self.lost
        if self.scripted.clock.now() < self.recovers_at:
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


UPDATE_CALLS: list[Callable[[ScriptedApi], Any]] = [update, update_and_wait, update_many]


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize("bad", BAD_READS.values(), ids=BAD_READS.keys())
@pytest.mark.parametrize("call", UPDATE_CALLS)
async def test_bad_reads_after_a_lost_response_do_not_decide_the_outcome(
    scripted: ScriptedApi,
    call: Callable[[ScriptedApi], Any],
    bad: ScriptedResponse,
    lost: ScriptedResponse,
) -> None:
    vendor = Vendor(scripted, lost, bad, seconds=3.0)
    found = await scripted.complete(call(scripted))
    assert (found.status, vendor.posts) == ("active", 1)


@pytest.mark.parametrize(
    "bad", ["HTML with 200", "an error envelope with 200", "503", "a gateway's 400"]
)
@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_a_wait_keeps_reading_until_its_deadline(
    scripted: ScriptedApi, call: Callable[[ScriptedApi], Any], bad: str
) -> None:
    vendor = Vendor(scripted, LOST["504"], BAD_READS[bad], seconds=600.0)
    assert (await scripted.complete(call(scripted))).status == "active"
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
@pytest.mark.parametrize("call", UPDATE_CALLS)
async def test_the_final_error_says_that_the_outcome_is_unknown_and_names_the_sim(
    scripted: ScriptedApi,
    call: Callable[[ScriptedApi], Any],
    bad: str,
    kind: type[AsyncSimError],
    lost: str,
) -> None:
    vendor = Vendor(scripted, LOST[lost], BAD_READS[bad], seconds=1e9)
    began = scripted.clock.now()
    if kind is ServerError and lost != "504":
        kind = DecodeError
    with pytest.raises(kind) as caught:
        await scripted.complete(call(scripted))
    assert scripted.clock.now() - began >= 10.0
    assert vendor.posts == 1
    assert caught.value.outcome_unknown
    text = str(caught.value)
    assert HS in text
    assert "outcome of the change is unknown, it may have been carried out" in text
    assert "again" not in text


async def test_a_rejected_retry_after_a_lost_response_still_has_an_unknown_outcome(
    scripted: ScriptedApi,
) -> None:
    rejection = ScriptedResponse(400, {"code": 83007, "message": "no Fleet"})
    scripted.plan(ScriptedResponse(504), sim("new"), rejection, sim("new"))
    with pytest.raises(AsyncSimError, match=r"83007.*outcome of the change is unknown"):
        await scripted.complete(update(scripted))


async def test_a_failed_retry_after_a_lost_response_still_has_an_unknown_outcome(
    open_scripted_api: OpenScripted,
) -> None:
    scripted = await open_scripted_api(retry=RetryPolicy(attempts=2))
    scripted.plan(ScriptedResponse(504), sim("new"), ScriptedResponse("drop"), sim("new"))
    with pytest.raises(AsyncSimError, match=f"{HS}.*outcome of the change is unknown"):
        await scripted.complete(update(scripted))


async def test_a_shared_login_error_is_marked_only_for_the_lost_change(
    scripted: ScriptedApi,
) -> None:
    Vendor(scripted, LOST["504"], BAD_READS["401"], seconds=1e9)
    with pytest.raises(AuthenticationError, match="outcome of the change is unknown"):
        await scripted.complete(update(scripted))
    with pytest.raises(AuthenticationError) as caught:
        await scripted.complete(scripted.client.supersim.sims.fetch(HS))
    assert not caught.value.outcome_unknown


async def test_a_settled_wait_is_not_delayed_by_a_long_retry_after(
    open_scripted_api: OpenScripted,
) -> None:
    scripted = await open_scripted_api(listens=True)

    async def respond(one: Received) -> ScriptedResponse:
        if one.method == "POST":
            return ScriptedResponse(503, headers={"Retry-After": "300"})
        return ScriptedResponse(200, sim("active"))

    scripted.script = respond
    work = asyncio.create_task(update_and_wait(scripted))
    await scripted.clock.settle()
    began = scripted.clock.now()
    url = parse_qs(scripted.received[0].body)["CallbackUrl"][0]
    params = {"SimSid": HS, "SimStatus": "active"}
    assert await senders.twilio(url, params, secret=AUTH_TOKEN).post() == 204
    assert (await scripted.complete(work)).status == "active"
    assert scripted.clock.now() - began < 1.0


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_a_wait_still_reads_when_retry_after_exceeds_its_deadline(
    scripted: ScriptedApi, call: Callable[[ScriptedApi], Any]
) -> None:
    absurd = ScriptedResponse(503, headers={"Retry-After": "1000000000"})
    vendor = Vendor(scripted, absurd, absurd, seconds=30.0)
    assert (await scripted.complete(call(scripted))).status == "active"
    assert (vendor.posts, scripted.clock.now() < 300.0) == (1, True)


async def test_a_change_is_not_resent_when_retry_after_exceeds_the_deadline(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(ScriptedResponse(503, headers={"Retry-After": "1000000000"}), sim("new"))
    with pytest.raises(ServerError, match="outcome of the change is unknown") as caught:
        await scripted.complete(update_and_wait(scripted))
    assert caught.value.retry_after == 1000000000
    assert [one.method for one in scripted.received] == ["POST", "GET"]


@pytest.mark.parametrize(("call", "limit"), [(update, 10.0), (update_and_wait, 900.0)])
async def test_reads_without_a_response_after_a_lost_response_end_in_time(
    open_scripted_api: OpenScripted, call: Callable[[ScriptedApi], Any], limit: float
) -> None:
    scripted = await open_scripted_api(
        retry=RetryPolicy(base=1000.0, cap=1000.0, longest_pause=1000.0)
    )
    Vendor(scripted, LOST["504"], ScriptedResponse("drop"), seconds=1e9)
    began = scripted.clock.now()
    with pytest.raises(AsyncSimError, match="outcome of the change is unknown"):
        await complete(scripted.clock, call(scripted), within=20000.0)
    assert scripted.clock.now() - began <= 1000.0 + limit


@pytest.mark.parametrize("call", ["update_and_wait", "update_many"])
async def test_after_a_lost_response_an_old_copy_does_not_confirm_the_change(
    scripted: ScriptedApi, call: str
) -> None:
    """The SIM was `active` before, so an old copy shows the target of the change."""
    before, between, later = (f"2026-01-01T00:00:{second}Z" for second in ("00", "10", "20"))
    scripted.plan(ScriptedResponse(202, sim("scheduled", before)), sim("inactive", between))
    await scripted.complete(changed(scripted, call, "inactive"))
    scripted.plan(ScriptedResponse(504), sim("active", before), sim("inactive", between))
    scripted.plan(ScriptedResponse(202, sim("scheduled", between)), sim("active", later))
    await scripted.complete(changed(scripted, call, "active"))
    # The lost POST was not carried out.
    assert [one.method for one in scripted.received].count("POST") == 3


async def changed(scripted: ScriptedApi, call: str, status: Any) -> None:
    sims = scripted.client.supersim.sims
    if call == "update_and_wait":
        assert (await sims.update_and_wait(HS, status=status)).status == status
        return
    (outcome,) = [one async for one in sims.update_many({HS: {"status": status}})]
    assert outcome.ok
