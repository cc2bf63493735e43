"""Subaccounts: separate records, and how a `new` SIM moves between accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults
from asyncsim.emulator.callbacks import kore_signature, twilio_signature
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import TRANSITION

Subaccount = Callable[[Api], Api]


@pytest.fixture
def subaccount(session: aiohttp.ClientSession) -> Subaccount:
    """Opens a subaccount next to an account."""

    def opened(api: Api) -> Api:
        credentials = api.world.add_subaccount()
        return Api(api.emulator, session, api.vendor, api.product, credentials)

    return opened


def bare(api: Api, **fields: Any) -> Any:
    """A `new` SIM without Fleet or RatePlan."""
    return api.world.add_sim(api.product, **fields)


async def test_an_account_sees_its_own_sims_only(anywhere: Api, subaccount: Subaccount) -> None:
    sub = subaccount(anywhere)
    sim = bare(sub)
    assert [row["sid"] for row in await sub.rows("/v1/Sims")] == [sim.sid]
    assert len(await anywhere.rows("/v1/Sims")) == 3
    assert (await anywhere.get(f"/v1/Sims/{sim.sid}")).status == 404
    assert (await sub.get(f"/v1/Sims/{anywhere.sims[0].sid}")).status == 404
    assert sim.account_sid == sub.credentials.account_sid != anywhere.sims[0].account_sid


async def test_names_are_unique_within_an_account(anywhere: Api, subaccount: Subaccount) -> None:
    sub = subaccount(anywhere)
    sims = bare(sub, unique_name="one"), bare(anywhere, unique_name="one")
    assert sims[0].sid != sims[1].sid
    for api, sim in zip((sub, anywhere), sims, strict=True):
        assert (await api.get("/v1/Sims/one")).body["sid"] == sim.sid


async def test_a_new_sim_moves_from_main_to_sub_and_back(
    anywhere: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(anywhere)
    sim = bare(anywhere, unique_name="mover")
    there, here = sub.credentials.account_sid, anywhere.credentials.account_sid
    got = await anywhere.update("mover", AccountSid=there)
    assert (got.status, got.body["account_sid"], got.body["sid"]) == (200, there, sim.sid)
    assert (await anywhere.get(f"/v1/Sims/{sim.sid}")).status == 404
    assert sim.sid not in [row["sid"] for row in await anywhere.rows("/v1/Sims")]
    assert [row["sid"] for row in await sub.rows("/v1/Sims")] == [sim.sid]
    assert (await sub.get("/v1/Sims/mover")).body["iccid"] == sim.iccid
    got = await anywhere.update(sim.sid, AccountSid=here)
    assert (got.status, got.body["account_sid"]) == (200, here)
    assert await sub.rows("/v1/Sims") == []


async def test_a_sim_that_came_back_takes_no_other_sims_number(
    tmp_path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    made: list[Any] = []
    for _ in range(2):
        async with Emulator(sims=1, clock=clock, state=tmp_path / "state.db") as emulator:
            api = Api(emulator, session, "twilio", "supersim")
            there = api.world.add_subaccount().account_sid
            mover = bare(api)
            await api.update(mover.sid, AccountSid=there)
            await api.update(mover.sid, AccountSid=api.credentials.account_sid)
            made += [mover, bare(api)]
            assert len(api.sims) == len(made) + 1
    assert len({sim.sid for sim in made}) == len({sim.iccid for sim in made}) == 4


async def test_a_sim_moves_between_subaccounts_with_the_main_accounts_credentials(
    anywhere: Api, subaccount: Subaccount
) -> None:
    one, two = subaccount(anywhere), subaccount(anywhere)
    sim = bare(one)
    there = two.credentials.account_sid
    rejected = await one.update(sim.sid, AccountSid=there)
    assert rejected.code == (33201 if anywhere.product == "wireless" else 20006)
    assert (await anywhere.update(sim.sid, AccountSid=there)).status == 200
    assert [row["sid"] for row in await two.rows("/v1/Sims")] == [sim.sid]


@pytest.mark.parametrize("status", ["active", "ready"])
async def test_only_a_new_sim_moves(anywhere: Api, subaccount: Subaccount, status: str) -> None:
    sub = subaccount(anywhere)
    sim = bare(anywhere, status=status)
    got = await anywhere.update(sim.sid, AccountSid=sub.credentials.account_sid)
    assert got.code == (33201 if anywhere.product == "wireless" else 20006)


async def test_a_name_taken_in_the_target_account_is_rejected(
    anywhere: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(anywhere)
    bare(sub, unique_name="one")
    sim = bare(anywhere, unique_name="one")
    there = sub.credentials.account_sid
    got = await anywhere.update(sim.sid, AccountSid=there)
    assert got.code == (33101 if anywhere.product == "wireless" else 83011)
    got = await anywhere.update(sim.sid, AccountSid=there, UniqueName="two")
    assert (got.status, got.body["unique_name"]) == (200, "two")


async def test_a_moved_sims_fleet_must_belong_to_the_target_account(
    any_supersim: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(any_supersim)
    fleet = sub.world.add_fleet("theirs")
    first, second, _ = any_supersim.sims
    there = sub.credentials.account_sid
    assert (await any_supersim.update(first.sid, AccountSid=there)).code == 83006
    assert (await any_supersim.update(first.sid, AccountSid=there, Fleet="default")).code == 83006
    got = await any_supersim.update(first.sid, AccountSid=there, Fleet="theirs")
    assert (got.status, got.body["fleet_sid"]) == (200, fleet.sid)
    got = await any_supersim.update(second.sid, AccountSid=there, Fleet="")
    assert (got.status, got.body["fleet_sid"]) == (200, None)


async def test_a_moved_sims_rate_plan_must_belong_to_the_target_account(
    any_wireless: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(any_wireless)
    plan = sub.world.add_rate_plan("theirs")
    sid = any_wireless.sims[0].sid
    there = sub.credentials.account_sid
    assert (await any_wireless.update(sid, AccountSid=there)).code == 33108
    assert (await any_wireless.update(sid, AccountSid=there, RatePlan="default")).code == 33108
    got = await any_wireless.update(sid, AccountSid=there, RatePlan="theirs", Status="new")
    assert (got.status, got.body["rate_plan_sid"]) == (200, plan.sid)
    assert got.body["links"]["rate_plan"].endswith(plan.sid)


async def test_the_status_cannot_change_along_with_the_account(
    anywhere: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(anywhere)
    sim = bare(anywhere)
    there = sub.credentials.account_sid
    got = await anywhere.update(sim.sid, AccountSid=there, Status="active")
    assert got.code == (33121 if anywhere.product == "wireless" else 83010)


async def test_a_subaccounts_sim_cannot_be_addressed_by_the_main_account(
    anywhere: Api, subaccount: Subaccount
) -> None:
    sim = bare(subaccount(anywhere))
    assert (await anywhere.update(sim.sid, UniqueName="mine")).status == 404


async def test_a_moved_sim_works_in_its_new_account(
    any_supersim: Api, subaccount: Subaccount, clock: ManualClock, listener: Listener
) -> None:
    api, sub = any_supersim, subaccount(any_supersim)
    sub.world.add_fleet("theirs")
    sim = bare(api)
    await api.update(sim.sid, AccountSid=sub.credentials.account_sid, Fleet="theirs")
    await sub.update(sim.sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert sub.sim(sim.sid).status == "active"
    (call,) = listener.calls
    assert call.params["AccountSid"] == sub.credentials.account_sid
    own = sub.credentials
    if api.vendor == "twilio":
        expected = twilio_signature(own.auth_token, call.url, call.params.items())
        assert call.headers["x-twilio-signature"] == expected
    else:
        expected = kore_signature(own.webhook_secret, "POST", call.url, call.body)
        assert call.headers["kore-signature"] == expected


async def test_a_subaccount_may_register_a_card_and_networks_are_shared(
    supersim: Api, subaccount: Subaccount
) -> None:
    sub = subaccount(supersim)
    card = sub.world.registrable[0]
    form = {"Iccid": card.iccid, "RegistrationCode": card.registration_code}
    assert (await sub.post("/v1/Sims", **form)).status == 201
    assert (await supersim.post("/v1/Sims", **form)).code == 83002
    networks = [row["sid"] for row in await supersim.rows("/v1/Networks")]
    assert [row["sid"] for row in await sub.rows("/v1/Networks")] == networks


async def test_a_suspended_account_changes_nothing_and_drops_pending_changes(
    wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sid = wireless.sims[0].sid
    await wireless.update(sid, Status="active", CallbackUrl=listener.url)
    wireless.world.suspend()
    assert (await wireless.update(sid, UniqueName="x")).code == 33201
    other = wireless.world.add_sim("wireless", status="active")
    rejected = await wireless.post("/v1/Commands", Sim=other.sid, Command="x")
    assert rejected.code == 33201
    await clock.advance(TRANSITION)
    (call,) = listener.calls
    assert (call.params["SimStatus"], call.params["ErrorCode"]) == ("new", "33201")
    wireless.world.suspend(suspended=False)
    assert (await wireless.update(sid, UniqueName="x")).status == 200


async def test_accounts_are_the_same_in_each_run(clock: ManualClock) -> None:
    found = []
    for _ in range(2):
        async with Emulator(clock=clock) as emulator:
            found.append(emulator.world("twilio").add_subaccount())
    assert found[0] == found[1]


async def test_each_account_has_its_own_concurrency_limit(
    anywhere: Api, subaccount: Subaccount, clock: ManualClock
) -> None:
    sub = subaccount(anywhere)
    await sub.get()  # at KORE: logs in
    anywhere.emulator.faults = Faults(concurrency=1, slow=1.0, slow_seconds=5.0)
    busy = asyncio.create_task(sub.get())
    await clock.settle()
    assert (await sub.get()).status == 429
    free = asyncio.create_task(anywhere.get())
    await clock.advance(5)
    assert ((await busy).status, (await free).status) == (200, 200)


async def test_the_emulators_client_may_use_a_subaccount(emulator: Emulator) -> None:
    world = emulator.world("twilio")
    credentials = world.add_subaccount()
    sim = world.subaccounts[credentials.account_sid].add_sim("supersim")
    async with emulator.client(credentials=credentials) as client:
        assert [one.sid async for one in client.supersim.sims.list()] == [sim.sid]
