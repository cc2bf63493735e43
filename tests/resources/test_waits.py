"""What ends a wait: responses of a vendor, a proxy or a cache while a change is pending."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim import (
    AuthenticationError,
    NotFound,
    PermissionDenied,
    TargetForgotten,
    TransitionFailed,
    TransitionTimeout,
    Watching,
)
from asyncsim.core import accepted
from asyncsim.events import UnknownStatus
from tests.callbacks import senders
from tests.http.server import Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import AUTH_TOKEN, ScriptedApi, sid

HS, DE = sid("HS"), sid("DE")
BEFORE, ACCEPTED, AFTER = (f"2026-01-01T00:00:{second:02}Z" for second in (0, 10, 20))
"""`date_updated` before the change, in the response to the POST, and after the transition."""


def record(status: str | None, date: str | None = AFTER) -> ScriptedResponse:
    return ScriptedResponse(200, {"sid": HS, "status": status, "date_updated": date})


class Vendor:
    """One SIM; `read` is the response to every read of it."""

    def __init__(self, scripted: ScriptedApi, sims: Any = None) -> None:
        self.scripted = scripted
        self.sims: Any = sims or scripted.client.supersim.sims
        self.accepted = record("scheduled", ACCEPTED)
        self.read = record("scheduled", ACCEPTED)
        self.reads = 0
        self.callback_url = ""
        scripted.script = self.respond

    async def respond(self, one: Received) -> ScriptedResponse:
        if one.method == "POST":
            self.callback_url = parse_qs(one.body).get("CallbackUrl", [""])[0]
            return self.of(one, self.accepted)
        self.reads += 1
        return self.of(one, self.read)

    def of(self, one: Received, response: ScriptedResponse) -> ScriptedResponse:
        """The response, with the SID that was requested."""
        requested_sid = one.raw_path.rpartition("/")[2]
        if not requested_sid.startswith("HS") or not isinstance(response.body, dict):
            return response
        sid_field = {"sid": requested_sid} if "sid" in response.body else {}
        return ScriptedResponse(response.status, {**response.body, **sid_field}, response.headers)

    async def call_back(self, status: str, **more: str) -> None:
        params = {"SimSid": HS, "SimStatus": status, **more}
        with self.scripted.clock.working():
            await senders.twilio(self.callback_url, params, secret=AUTH_TOKEN).post()

    async def activate(self, **keywords: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(self.sims.update_and_wait(HS, status="active", **keywords))
        await self.scripted.clock.settle()
        return task


@pytest.fixture
def vendor(scripted: ScriptedApi) -> Vendor:
    return Vendor(scripted)


# Failed reads are retried later and delay no other wait.


async def test_a_callback_causes_a_read_before_a_retry_after_ends(
    open_scripted_api: OpenScripted,
) -> None:
    vendor = Vendor(await open_scripted_api(listens=True))
    vendor.read = ScriptedResponse(503, headers={"Retry-After": "120"})
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(16)
    assert vendor.reads == 1
    vendor.read = record("active")
    await vendor.call_back("active")
    await vendor.scripted.clock.settle()
    assert wait.done()
    assert wait.result().status == "active"


async def test_a_retry_after_of_a_read_is_respected_without_a_callback(
    vendor: Vendor,
) -> None:
    vendor.read = ScriptedResponse(503, headers={"Retry-After": "120"})
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(100)
    assert vendor.reads == 1
    vendor.read = record("active")
    await vendor.scripted.clock.advance(60)
    assert wait.result().status == "active"


async def test_the_last_read_before_the_deadline_ignores_retry_after(
    vendor: Vendor,
) -> None:
    vendor.read = ScriptedResponse(503, headers={"Retry-After": "120"})
    wait = await vendor.activate(timeout=60)
    await vendor.scripted.clock.advance(10)
    vendor.read = record("active")
    await vendor.scripted.clock.advance(50)
    assert wait.result().status == "active"


async def test_a_wait_whose_reads_all_fail_ends_at_its_deadline(vendor: Vendor) -> None:
    vendor.read = ScriptedResponse(503)
    wait = await vendor.activate(timeout=60)
    await vendor.scripted.clock.advance(60)
    with pytest.raises(TransitionTimeout):
        wait.result()


@pytest.mark.parametrize(
    "bad",
    [
        ScriptedResponse(404, {"code": 20404, "message": "not found", "status": 404}),
        ScriptedResponse(401, {"code": 20003, "message": "Authenticate", "status": 401}),
        ScriptedResponse(403, "<html>blocked</html>"),
        ScriptedResponse(200, "<html>please log in</html>"),
        ScriptedResponse(200, {"code": 20500, "message": "Internal Server Error", "status": 500}),
        ScriptedResponse(408),
        ScriptedResponse(502, "<html>bad gateway</html>"),
    ],
    ids=["404", "401", "403", "html-with-200", "envelope-with-200", "408", "502"],
)
async def test_bad_reads_for_a_few_seconds_end_no_wait(
    vendor: Vendor, bad: ScriptedResponse
) -> None:
    vendor.read = bad
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(9)
    assert vendor.reads >= 2
    vendor.read = record("active")
    await vendor.scripted.clock.advance(60)
    assert wait.result().status == "active"


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (401, AuthenticationError), (403, PermissionDenied)]
)
async def test_a_lasting_404_401_or_403_ends_the_wait(
    vendor: Vendor, status: int, error: type[Exception]
) -> None:
    vendor.read = ScriptedResponse(status)
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(120)
    with pytest.raises(error):
        wait.result()
    assert 3 <= vendor.reads <= 8


@pytest.mark.parametrize("body", ["<html>please log in</html>", {"code": 20500, "message": "x"}])
async def test_malformed_reads_last_until_the_deadline(vendor: Vendor, body: Any) -> None:
    vendor.read = ScriptedResponse(200, body)
    wait = await vendor.activate(timeout=60)
    await vendor.scripted.clock.advance(60)
    with pytest.raises(TransitionTimeout, match="last seen 'scheduled'"):
        wait.result()


async def test_the_first_404_for_a_sim_never_seen_ends_its_wait(
    scripted: ScriptedApi,
) -> None:
    with pytest.raises(NotFound):
        await scripted.client.supersim.sims.await_transition(HS)
    assert len(scripted.received) == 1


@pytest.mark.parametrize("seen", ["fetched", "listed", "updated"])
async def test_a_404_for_a_sim_this_client_has_seen_may_pass(
    scripted: ScriptedApi, seen: str
) -> None:
    vendor, sims = Vendor(scripted), scripted.client.supersim.sims
    vendor.read = record("scheduled")
    if seen == "fetched":
        await sims.fetch(HS)
    elif seen == "updated":
        await sims.update(HS, status="active")
    else:
        vendor.read = ScriptedResponse(200, {"sims": [vendor.read.body], "meta": {"key": "sims"}})
        assert len([sim async for sim in sims.list()]) == 1
    vendor.read = ScriptedResponse(404)
    wait = asyncio.create_task(sims.await_transition(HS))
    await scripted.clock.advance(5)
    vendor.read = record("active")
    await scripted.clock.advance(30)
    assert wait.result().status == "active"


# Statuses.


@pytest.mark.parametrize("dates", [(ACCEPTED, ACCEPTED), (ACCEPTED, AFTER)])
@pytest.mark.parametrize("status", ["provisioning", None])
async def test_an_unknown_status_ends_no_wait(
    vendor: Vendor, status: str | None, dates: tuple[str, str]
) -> None:
    vendor.accepted, vendor.read = record(status, dates[0]), record(status, dates[1])
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(120)
    assert not wait.done()
    vendor.read = record("active")
    await vendor.scripted.clock.advance(30)
    assert wait.result().status == "active"
    unknown = [one for one in vendor.scripted.events if isinstance(one, UnknownStatus)]
    assert [one.status for one in unknown] == ([] if status is None else [status]), "reported once"


async def test_a_timeout_names_the_unknown_status(vendor: Vendor) -> None:
    vendor.read = record("provisioning")
    wait = await vendor.activate(timeout=60)
    await vendor.scripted.clock.advance(60)
    with pytest.raises(TransitionTimeout, match="last seen 'provisioning'"):
        wait.result()


async def test_a_status_declared_final_ends_the_wait(open_scripted_api: OpenScripted) -> None:
    vendor = Vendor(await open_scripted_api(watching=Watching(final={"retired"})))
    vendor.read = record("retired")
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(30)
    with pytest.raises(TransitionFailed, match="settled as 'retired'"):
        wait.result()
    found = await vendor.sims.await_transition(HS, until="retired")
    assert found.status == "retired"


async def test_a_pending_status_cannot_be_declared_final(open_scripted_api: OpenScripted) -> None:
    scripted = await open_scripted_api(watching=Watching(final={"scheduled"}))
    with pytest.raises(ValueError, match="a Sim in scheduled has not settled"):
        _ = scripted.client.supersim.sims


async def test_programmable_wireless_may_reach_active_through_ready(
    scripted: ScriptedApi,
) -> None:
    vendor = Vendor(scripted, scripted.client.wireless.sims)
    one = {"sid": DE, "date_updated": ACCEPTED}
    vendor.accepted = ScriptedResponse(200, {**one, "status": "updating"})
    vendor.read = ScriptedResponse(200, {**one, "status": "ready", "date_updated": AFTER})
    wait = asyncio.create_task(vendor.sims.update_and_wait(DE, status="active"))
    await scripted.clock.advance(60)
    assert not wait.done()
    vendor.read = ScriptedResponse(200, {**one, "status": "active", "date_updated": AFTER})
    await scripted.clock.advance(30)
    assert wait.result().status == "active"


# Old reads.


async def test_an_old_read_that_shows_the_target_ends_no_wait(vendor: Vendor) -> None:
    vendor.read = record("active", BEFORE)
    wait = await vendor.activate(timeout=100)
    await vendor.scripted.clock.advance(50)
    assert not wait.done()
    vendor.read = record("new", AFTER)
    await vendor.scripted.clock.advance(50)
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        wait.result()


async def test_a_signed_callback_that_names_the_target_outweighs_an_old_date(
    open_scripted_api: OpenScripted,
) -> None:
    vendor = Vendor(await open_scripted_api(listens=True))
    wait = await vendor.activate()
    vendor.read = record("active", BEFORE)
    await vendor.call_back("active")
    await vendor.scripted.clock.settle()
    assert wait.result().status == "active"


@pytest.mark.parametrize(
    ("seen", "error_params"),
    [("active", {}), ("new", {"ErrorCode": "33105", "ErrorMessage": "no"})],
)
async def test_an_unsigned_callback_does_not_outweigh_an_old_date(
    open_scripted_api: OpenScripted, seen: str, error_params: dict[str, str]
) -> None:
    vendor = Vendor(await open_scripted_api("kore", listens=True))
    wait = await vendor.activate()
    vendor.read = record(seen, BEFORE)
    params = {"SimSid": HS, "SimStatus": seen, **error_params}
    with vendor.scripted.clock.working():
        assert await senders.kore_get(vendor.callback_url, params).post() == 204
    await vendor.scripted.clock.advance(5)
    assert (wait.done(), vendor.reads > 0) == (False, True)
    vendor.read = record("active")
    await vendor.scripted.clock.advance(60)
    assert wait.result().status == "active"


async def test_a_failure_whose_date_does_not_move_counts_in_the_end(vendor: Vendor) -> None:
    vendor.read = record("new", BEFORE)
    wait = await vendor.activate()
    await vendor.scripted.clock.advance(60)
    assert not wait.done()
    await vendor.scripted.clock.advance(30)
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        wait.result()


async def test_changing_old_reads_do_not_fail_the_wait(vendor: Vendor) -> None:
    wait = await vendor.activate(timeout=300)
    for second in range(29):
        vendor.read = record("new", f"2026-01-01T00:00:0{second % 10}Z")
        await vendor.scripted.clock.advance(10)
    assert not wait.done()
    vendor.read = record("active")
    await vendor.scripted.clock.advance(10)
    assert wait.result().status == "active"


async def test_a_read_that_began_before_the_response_ends_no_wait(scripted: ScriptedApi) -> None:
    vendor, sims, slow = Vendor(scripted), scripted.client.supersim.sims, asyncio.Event()
    vendor.read = record("scheduled", BEFORE)

    async def respond(one: Received) -> ScriptedResponse:
        found = await vendor.respond(one)
        if one.method == "GET" and vendor.reads == 2:
            with scripted.clock.resting():
                await slow.wait()
            return record("active", None)
        return found

    scripted.script = respond
    other = asyncio.create_task(sims.await_transition(HS, until="active", timeout=30))
    await scripted.clock.advance(2.1)
    assert vendor.reads == 2, "its second read is in flight"
    vendor.read = record("scheduled", ACCEPTED)
    wait = await vendor.activate()
    slow.set()
    await scripted.clock.settle()
    assert (other.done(), wait.done()) == (True, False)
    vendor.read = record("active")
    await scripted.clock.advance(60)
    assert wait.result().status == "active"


# Callbacks.


async def test_a_replayed_callback_causes_few_reads(open_scripted_api: OpenScripted) -> None:
    vendor = Vendor(await open_scripted_api(listens=True))
    wait = await vendor.activate()
    for _ in range(50):
        await vendor.call_back("active")
        await vendor.scripted.clock.advance(0.1)
    assert vendor.reads <= 6
    vendor.read = record("active")
    await vendor.call_back("active")
    await vendor.scripted.clock.advance(8)
    assert wait.result().status == "active"


async def test_a_replay_of_an_older_callback_does_not_delay_the_current_one(
    open_scripted_api: OpenScripted,
) -> None:
    vendor = Vendor(await open_scripted_api(listens=True))
    vendor.accepted = record("active", ACCEPTED)
    wait = await vendor.activate()
    assert wait.result().status == "active"
    old_url, vendor.accepted = vendor.callback_url, record("scheduled", ACCEPTED)
    wait = await vendor.activate()
    url, vendor.callback_url = vendor.callback_url, old_url
    await vendor.call_back("active")
    await vendor.scripted.clock.settle()
    assert (wait.done(), vendor.reads) == (False, 1)
    vendor.callback_url, vendor.read = url, record("active")
    await vendor.call_back("active")
    await vendor.scripted.clock.settle()
    assert wait.result().status == "active"


# The remembered target.


async def test_the_target_is_remembered_across_repeated_waits(
    vendor: Vendor,
) -> None:
    wait = await vendor.activate()
    for _ in range(6):
        await vendor.scripted.clock.advance(930)
        with pytest.raises(TransitionTimeout):
            wait.result()
        wait = asyncio.create_task(vendor.sims.await_transition(HS))
        await vendor.scripted.clock.settle()
    vendor.read = record("new")
    await vendor.scripted.clock.advance(60)
    with pytest.raises(TransitionFailed, match="settled as 'new'"):
        wait.result()


async def test_the_target_of_a_pending_wait_is_never_evicted(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepted, "_CAPACITY", 4)
    first = await vendor.activate()
    await change_others(vendor)
    again = asyncio.create_task(vendor.sims.await_transition(HS))
    await vendor.scripted.clock.settle()
    vendor.read = record("new")
    await vendor.scripted.clock.advance(60)
    for wait in (first, again):
        with pytest.raises(TransitionFailed, match="reached status='active'"):
            wait.result()


async def test_an_evicted_target_raises_target_forgotten(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepted, "_CAPACITY", 4)
    await vendor.sims.update(HS, status="active")
    await change_others(vendor)
    vendor.read = record("new")
    with pytest.raises(TargetForgotten, match="until="):
        await vendor.sims.await_transition(HS)
    assert (await vendor.sims.await_transition(HS, until="new")).status == "new"
    assert (await vendor.sims.await_transition(sid("HS", "8"))).status == "new"


async def change_others(vendor: Vendor) -> None:
    """Make enough other changes to evict the earlier ones."""
    for digit in "1234567":
        await vendor.sims.update(sid("HS", digit), status="active")
