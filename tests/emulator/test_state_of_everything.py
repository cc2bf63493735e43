"""Every kind survives a restart, and what was under way goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.emulator.world import KINDS
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import LATENCY

DAY = 86400.0


def everything(emulator: Emulator) -> list[Any]:
    """All records of all accounts, and what is noted of them."""
    found: list[Any] = []
    for vendor in ("twilio", "kore"):
        for world in emulator.world(vendor).family():
            for kind in KINDS:
                store = world.store(kind)
                notes = [dict(store.notes(sid)) for sid in store]
                found.append((vendor, world.account_sid, kind.path, dict(store), notes))
    return found


def running(path: Path, clock: ManualClock) -> Emulator:
    return Emulator(sims=2, clock=clock, latency=LATENCY, state=path)


async def test_every_kind_survives_a_restart(
    tmp_path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    path = tmp_path / "state.db"
    async with running(path, clock) as emulator:
        for vendor in ("twilio", "kore"):
            world = emulator.world(vendor)
            world.add_subaccount()
            for product in ("wireless", "supersim"):
                sim = world.add_sim(product, status="active")
                world.send_command(product, sim.sid, "x")
                world.use_data(product, sim.sid, upload=5)
            world.send_command("supersim", sim.sid, "x", transport="ip")
            api = Api(emulator, session, vendor, "supersim")
            await api.post("/v1/ESimProfiles", Eid="1")
            await api.of("wireless").update(next(iter(world.sims("wireless"))), Status="active")
        world.suspend()
        await clock.advance(60)
        before = everything(emulator)
        filled = {kind for *_, kind, rows, _ in before if rows}
        assert filled == {kind.path for kind in KINDS}
    async with running(path, clock) as emulator:
        assert everything(emulator) == before
        assert emulator.world("kore").suspended
        assert not emulator.world("twilio").suspended


async def test_a_command_and_a_reservation_go_on_after_a_restart(
    tmp_path: Path, clock: ManualClock, session: aiohttp.ClientSession, listener: Listener
) -> None:
    path = tmp_path / "state.db"
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        sim = api.world.add_sim("supersim", status="active")
        form = {"Sim": sim.sid, "Payload": "x", "CallbackUrl": listener.url}
        command = (await api.post("/v1/SmsCommands", **form)).body["sid"]
        profile = (await api.post("/v1/ESimProfiles", Eid="1")).body["sid"]
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        await clock.advance(60)
        assert (await api.get(f"/v1/SmsCommands/{command}")).body["status"] == "delivered"
        assert [call.params["Status"] for call in listener.calls] == ["sent", "delivered"]
        assert (await api.get(f"/v1/ESimProfiles/{profile}")).body["status"] == "available"


async def test_usage_is_the_same_after_a_restart(
    tmp_path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    path = tmp_path / "state.db"
    seen: list[Any] = []
    for _ in range(2):
        async with running(path, clock) as emulator:
            api = Api(emulator, session, "twilio", "supersim")
            if not seen:
                sim = api.world.add_sim("supersim", status="active")
                await clock.advance(10 * DAY)
            periods = await api.rows(f"/v1/Sims/{sim.sid}/BillingPeriods")
            seen.append((await api.rows("/v1/UsageRecords", Granularity="day"), periods))
    assert seen[0] == seen[1]
    assert seen[0][0]


async def test_a_subaccount_may_log_in_after_a_restart(
    tmp_path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    path = tmp_path / "state.db"
    async with running(path, clock) as emulator:
        credentials = emulator.world("kore").add_subaccount()
        api = Api(emulator, session, "kore", "wireless", credentials)
        sid = api.world.add_sim("wireless").sid
        assert (await api.get()).sids == [sid]
        token = api.authorization
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "kore", "wireless", credentials)
        api.authorization = token
        assert (await api.get()).sids == [sid]
