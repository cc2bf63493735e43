"""Responses about a SIM other than the one requested."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncsim import (
    NotFound,
    OutcomeUnknown,
    TransitionFailed,
    TransitionTimeout,
    WrongResource,
)
from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi, sid

OURS, OTHER = sid("HS", "1"), sid("HS", "2")
HC, HF = sid("HC"), sid("HF")
ACTIVE: Any = {"status": "active"}
D1, D2 = "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"


def sim(name: str, status: str, date: str = D2) -> dict[str, Any]:
    return {"sid": name, "status": status, "date_updated": date}


def posts(scripted: ScriptedApi) -> int:
    return sum(one.method == "POST" for one in scripted.received)


async def test_a_fetch_that_returns_another_sim_names_both(scripted: ScriptedApi) -> None:
    scripted.plan(sim(OTHER, "active"))
    with pytest.raises(WrongResource, match=f"about {OTHER}, not about {OURS}") as caught:
        await scripted.complete(scripted.client.supersim.sims.fetch(OURS))
    assert (caught.value.asked, caught.value.received) == (OURS, OTHER)
    assert not caught.value.outcome_unknown


async def test_a_sid_in_another_letter_case_is_the_same(scripted: ScriptedApi) -> None:
    requested = "HS" + "ab" * 16
    scripted.plan(sim("HS" + "AB" * 16, "active"))
    found = await scripted.complete(scripted.client.supersim.sims.fetch(requested))
    assert found.status == "active"


@pytest.mark.parametrize("status", ["scheduled", "active"])
async def test_an_update_with_a_response_about_another_sim_is_unknown_and_not_retried(
    scripted: ScriptedApi, status: str
) -> None:
    scripted.plan(sim(OTHER, status))
    with pytest.raises(WrongResource, match=f"{OTHER}.*outcome of the change is unknown") as caught:
        await scripted.complete(scripted.client.supersim.sims.update(OURS, status="active"))
    assert (caught.value.asked, caught.value.received) == (OURS, OTHER)
    assert scripted.request_lines == [f"POST /v1/Sims/{OURS} Status=active"]


async def test_a_fleet_update_with_a_response_about_another_fleet_is_unknown_and_not_retried(
    scripted: ScriptedApi,
) -> None:
    scripted.plan({"sid": sid("HF", "2")})
    with pytest.raises(WrongResource, match="outcome of the change is unknown"):
        await scripted.complete(scripted.client.supersim.fleets.update(HF, data_limit=1))
    assert posts(scripted) == 1


async def update_and_wait(scripted: ScriptedApi) -> Any:
    return await scripted.client.supersim.sims.update_and_wait(OURS, status="active", timeout=120)


async def update_many(scripted: ScriptedApi) -> Any:
    many = scripted.client.supersim.sims.update_many({OURS: ACTIVE}, timeout=120)
    (outcome,) = [one async for one in many]
    if outcome.error is not None:
        raise outcome.error
    return outcome.sim


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_a_wait_continues_with_reads_after_a_response_about_another_sim(
    scripted: ScriptedApi, call: Any
) -> None:
    scripted.plan(sim(OTHER, "active"), sim(OURS, "scheduled"), sim(OURS, "active"))
    found = await scripted.complete(call(scripted))
    assert (found.sid, posts(scripted)) == (OURS, 1)


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_reads_of_another_sim_never_end_a_wait(scripted: ScriptedApi, call: Any) -> None:
    scripted.plan(ScriptedResponse(202, sim(OURS, "scheduled", D1)), *[sim(OTHER, "active")] * 6)
    scripted.plan(sim(OURS, "active"))
    found = await scripted.complete(call(scripted))
    assert (found.sid, posts(scripted)) == (OURS, 1)


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_at_the_deadline_the_wait_names_the_other_sim_as_its_cause(
    scripted: ScriptedApi, call: Any
) -> None:
    async def respond(one: Received) -> ScriptedResponse:
        return ScriptedResponse(200, sim(OTHER, "active"))

    scripted.script = respond
    with pytest.raises(TransitionTimeout, match=OURS) as caught:
        await scripted.complete(call(scripted))
    assert isinstance(caught.value.__cause__, WrongResource)
    assert (caught.value.last, posts(scripted)) == (None, 1)


@pytest.mark.parametrize("call", [update_and_wait, update_many])
async def test_reads_of_another_sim_after_a_lost_response_do_not_confirm_the_change(
    scripted: ScriptedApi, call: Any
) -> None:
    scripted.plan(
        ScriptedResponse(504),
        *[sim(OTHER, "active")] * 3,
        sim(OURS, "scheduled"),
        sim(OURS, "active"),
    )
    found = await scripted.complete(call(scripted))
    assert (found.sid, posts(scripted)) == (OURS, 1)


async def test_a_text_that_was_created_for_another_sim_has_an_unknown_outcome(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(ScriptedResponse(201, {"sid": HC, "status": "queued", "sim_sid": OTHER}))
    sending = scripted.client.supersim.sms_commands.create(sim=OURS, payload="wake up")
    with pytest.raises(OutcomeUnknown, match=HC) as caught:
        await scripted.complete(sending)
    assert isinstance(caught.value.__cause__, WrongResource)
    assert posts(scripted) == 1


async def test_a_registration_with_a_response_about_another_sim_raises_wrong_resource(
    scripted: ScriptedApi,
) -> None:
    requested, shown = "8988307000000000001", "8988307000000000002"
    scripted.plan({**sim(OTHER, "new"), "iccid": shown})
    registering = scripted.client.supersim.sims.register(
        iccid=requested, registration_code="H3LL0W0RLD"
    )
    with pytest.raises(WrongResource, match=f"{OTHER}.*{requested}"):
        await scripted.complete(registering)


async def test_a_list_that_ignores_its_filter_does_not_confirm_a_registration(
    scripted: ScriptedApi,
) -> None:
    requested = "8988307000000000001"
    others = [{**sim(OTHER, "new"), "iccid": "8988307000000000002"}]
    ours = {**sim(OURS, "new"), "iccid": requested + "5"}
    rejected = ScriptedResponse(400, {"code": 83003, "message": "already yours"})
    sims = scripted.client.supersim.sims
    page = {"meta": {"next_page_url": None}}
    scripted.plan(rejected, {"sims": [*others, ours], **page}, rejected, {"sims": others, **page})
    found = await scripted.complete(sims.register(iccid=requested, registration_code="H3LL0W0RLD"))
    assert found.sid == OURS
    with pytest.raises(Exception, match="83003"):
        await scripted.complete(sims.register(iccid=requested, registration_code="H3LL0W0RLD"))


# Names.


class Vendor:
    """SIMs whose names move; with `lost`, responses to POSTs never arrive."""

    def __init__(self, scripted: ScriptedApi, *, lost: bool = False) -> None:
        self.names = {"pump": OURS}
        self.status = {OURS: "ready", OTHER: "ready"}
        self.lost = lost
        self.posted: list[str] = []
        self.after_post = self.keep_names
        scripted.script = self.respond

    def keep_names(self) -> None:
        """Keep all names."""

    def rename(self) -> None:
        self.names = {"pump-7": OURS}

    def reassign(self) -> None:
        self.names = {"pump-7": OURS, "pump": OTHER}

    async def respond(self, one: Received) -> ScriptedResponse:
        name = one.raw_path.rpartition("/")[2]
        found = self.names.get(name, name)
        if found not in self.status:
            return ScriptedResponse(404, {"code": 20404, "message": f"{name} not found"})
        if one.method == "POST":
            self.posted.append(found)
            self.status[found] = "scheduled"
            self.after_post()
            return (
                ScriptedResponse(504)
                if self.lost
                else ScriptedResponse(202, sim(found, "scheduled", D1))
            )
        name = next(name for name, one in self.names.items() if one == found)
        return ScriptedResponse(200, {**sim(found, self.status[found]), "unique_name": name})


async def settle(scripted: ScriptedApi, vendor: Vendor, work: Any, status: str = "active") -> Any:
    """Let a change settle 30 seconds after it was sent."""
    task = asyncio.ensure_future(work)
    await scripted.clock.settle()
    scripted.clock.call_at(
        scripted.clock.now() + 30.0, lambda: vendor.status.update({OURS: status})
    )
    return await scripted.complete(task)


@pytest.mark.parametrize("moved", ["rename", "reassign"])
@pytest.mark.parametrize("awaited", ["pump", OURS, "record"])
async def test_a_sim_renamed_after_its_change_is_still_awaited(
    scripted: ScriptedApi, moved: str, awaited: str
) -> None:
    vendor = Vendor(scripted)
    sims = scripted.client.supersim.sims
    record = await scripted.complete(sims.update("pump", status="active"))
    getattr(vendor, moved)()
    work = sims.await_transition(record if awaited == "record" else awaited)
    found = await settle(scripted, vendor, work)
    assert (found.sid, found.status) == (OURS, "active")


@pytest.mark.parametrize("name", ["pump", "pump-7"])
async def test_a_sim_renamed_by_its_own_change_is_found_by_its_old_and_new_name(
    scripted: ScriptedApi, name: str
) -> None:
    vendor = Vendor(scripted)
    vendor.after_post = vendor.rename
    sims = scripted.client.supersim.sims
    for status in ("active", "inactive"):
        vendor.names, vendor.status[OURS] = {"pump": OURS}, "ready"
        await scripted.complete(sims.update("pump", status="active", unique_name="pump-7"))
        work = settle(scripted, vendor, sims.await_transition(name), status)
        if status == "active":
            assert (await work).sid == OURS
            continue
        with pytest.raises(TransitionFailed):  # the wait is for the target of the change
            await work


async def by_name_and_wait(scripted: ScriptedApi) -> Any:
    return await scripted.client.supersim.sims.update_and_wait("pump", status="active", timeout=120)


async def by_name_many(scripted: ScriptedApi) -> Any:
    many = scripted.client.supersim.sims.update_many({"pump": ACTIVE}, timeout=120)
    (outcome,) = [one async for one in many]
    if outcome.error is not None:
        raise outcome.error
    return outcome.sim


@pytest.mark.parametrize("call", [by_name_and_wait, by_name_many])
@pytest.mark.parametrize("moved", ["rename", "reassign"])
async def test_a_name_that_moves_during_a_wait_does_not_redirect_it(
    scripted: ScriptedApi, call: Any, moved: str
) -> None:
    vendor = Vendor(scripted)
    vendor.after_post = getattr(vendor, moved)
    found = await settle(scripted, vendor, call(scripted))
    assert (found.sid, found.status, vendor.posted) == (OURS, "active", [OURS])


@pytest.mark.parametrize("call", [by_name_and_wait, by_name_many])
async def test_after_a_lost_response_a_sim_known_by_its_sid_is_found_under_any_name(
    scripted: ScriptedApi, call: Any
) -> None:
    vendor = Vendor(scripted, lost=True)
    await scripted.complete(scripted.client.supersim.sims.fetch("pump"))
    vendor.after_post = vendor.rename
    found = await settle(scripted, vendor, call(scripted))
    assert (found.sid, found.status, vendor.posted) == (OURS, "active", [OURS])


@pytest.mark.parametrize("call", [by_name_and_wait, by_name_many])
async def test_after_a_lost_response_a_sim_that_took_over_the_name_is_not_accepted(
    scripted: ScriptedApi, call: Any
) -> None:
    vendor = Vendor(scripted, lost=True)
    await scripted.complete(scripted.client.supersim.sims.fetch("pump"))
    vendor.after_post = vendor.reassign
    vendor.status[OTHER] = "active"
    with pytest.raises(Exception, match="outcome of the change is unknown") as caught:
        await scripted.complete(call(scripted))
    assert isinstance(caught.value.__cause__, WrongResource)
    assert vendor.posted == [OURS]


async def test_a_retry_is_sent_to_the_sid_that_was_read(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(
        ScriptedResponse(504), sim(OURS, "ready"), ScriptedResponse(202, sim(OURS, "scheduled"))
    )
    await scripted.complete(scripted.client.supersim.sims.update("pump", status="active"))
    assert [one.raw_path for one in scripted.received] == [
        "/v1/Sims/pump",
        "/v1/Sims/pump",
        f"/v1/Sims/{OURS}",
    ]


async def test_an_unknown_name_raises_not_found_at_once(scripted: ScriptedApi) -> None:
    Vendor(scripted)
    with pytest.raises(NotFound):
        await scripted.client.supersim.sims.update_and_wait("pumpe", status="active")
    with pytest.raises(NotFound):
        await scripted.client.supersim.sims.fetch("pumpe")
