"""Persistence: every record, token, log entry and scheduled task survives a restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults
from asyncsim.emulator.world import KINDS
from asyncsim.errors import ConfigurationError
from tests.emulator.api import Api, Listener, basic
from tests.emulator.conftest import LATENCY, TRANSITION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def running(path: Path, clock: ManualClock, **settings: Any) -> Emulator:
    return Emulator(sims=2, clock=clock, latency=LATENCY, state=path, **settings)


async def test_a_world_survives_a_restart(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    async with running(path, clock) as emulator:
        for product in ("supersim", "wireless"):
            api = Api(emulator, session, "twilio", product)
            await api.update(api.sims[0].sid, UniqueName=f"my {product}")
        card = emulator.world("twilio").registrable[0]
        before = [dict(emulator.world("twilio").sims(name)) for name in ("supersim", "wireless")]
        plans = dict(emulator.world("kore").rate_plans)
    async with Emulator(sims=99, clock=clock, state=path) as emulator:
        world = emulator.world("twilio")
        assert [dict(world.sims(name)) for name in ("supersim", "wireless")] == before
        assert dict(emulator.world("kore").rate_plans) == plans
        assert card in world.registrable
        assert world.sims("supersim").find("my supersim") is not None
        assert [entry.number for entry in emulator.requests] == [1, 2]


async def test_a_pending_change_settles_after_the_restart(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession, listener: Listener
) -> None:
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        sid = api.sims[0].sid
        await api.update(sid, Status="active", CallbackUrl=listener.url)
        await clock.advance(5)
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        await clock.advance(TRANSITION - 6)
        assert api.sim(sid).status == "scheduled"
        await clock.advance(2)
        assert api.sim(sid).status == "active"
        assert listener.received_statuses == ["active"]


async def test_changes_due_while_stopped_happen_at_start(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession, listener: Listener
) -> None:
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "kore", "wireless")
        sid = api.sims[0].sid
        await api.update(sid, Status="deactivated", CallbackUrl=listener.url)
    await clock.advance(3600)
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "kore", "wireless")
        await clock.settle()
        assert api.sim(sid).status == "deactivated"
        await clock.advance(72 * 3600)
        assert api.sim(sid).status == "canceled"
        assert listener.received_statuses == ["deactivated", "canceled"]


async def test_a_pending_callback_is_sent_after_the_restart(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession, listener: Listener
) -> None:
    late = Faults(late_callbacks=1.0, late_seconds=100)
    async with running(path, clock, faults=late) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        await api.update(api.sims[0].sid, Status="active", CallbackUrl=listener.url)
        await clock.advance(TRANSITION + 50)
        assert api.sim(api.sims[0].sid).status == "active"
    assert listener.calls == []
    async with running(path, clock) as emulator:
        await clock.advance(50)
        assert listener.received_statuses == ["active"]
        assert [one.outcome for one in emulator.deliveries] == ["delivered"]
    async with running(path, clock):
        await clock.advance(500)
    assert len(listener.calls) == 1


async def test_a_delivery_interrupted_by_the_stop_is_repeated(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    reached, hold = asyncio.Event(), asyncio.Event()

    async def never_respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await hold.wait()
        writer.close()

    silent = await asyncio.start_server(never_respond, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        async with running(path, clock) as emulator:
            api = Api(emulator, session, "twilio", "supersim")
            url = f"http://127.0.0.1:{port}/hook"
            await api.update(api.sims[0].sid, Status="active", CallbackUrl=url)
            moving = asyncio.create_task(clock.advance(TRANSITION))
            await reached.wait()
            assert list(emulator.deliveries) == []
        await moving
        reached.clear()
        async with running(path, clock):
            moving = asyncio.create_task(clock.settle())
            await reached.wait()
        await moving
        hold.set()


async def test_tokens_survive_a_restart(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "kore", "supersim")
        await api.get()
    async with running(path, clock) as emulator:
        restarted = Api(emulator, session, "kore", "supersim")
        restarted.authorization = api.authorization
        assert (await restarted.get()).status == 200
        fresh = (await restarted.mint()).body["access_token"]
        assert f"Bearer {fresh}" != api.authorization


async def test_the_sid_and_position_of_a_deleted_sim_are_never_reused(
    path: Path, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "wireless")
        oldest, newest = (sim.sid for sim in api.sims)
        await api.delete(newest)
    async with running(path, clock) as emulator:
        api = Api(emulator, session, "twilio", "wireless")
        assert emulator.world("twilio").add_sim("wireless").sid != newest
        assert (await api.get(PageToken=f"PA{newest}")).sids == [oldest]


async def test_two_emulators_cannot_share_a_file(path: Path, clock: ManualClock) -> None:
    async with running(path, clock):
        with pytest.raises(ConfigurationError, match=r"state\.db"):
            await running(path, clock).start()


async def test_a_file_that_is_not_a_database_is_rejected(path: Path, clock: ManualClock) -> None:
    path.write_text("not a database, but long enough to have a header " * 20)  # noqa: ASYNC240  # tiny
    with pytest.raises(ConfigurationError, match=r"state\.db"):
        await running(path, clock).start()


_PROGRAM = """
import asyncio, sys
from asyncsim.emulator import Emulator, Latency
from pathlib import Path
from typing import Any
import aiohttp
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
from asyncsim.emulator.world import KINDS
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import LATENCY

async def main():
    async with Emulator(sims=50, state=sys.argv[1], latency=Latency(transition=3600)) as emulator:
        print(emulator.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def _start(path: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def _kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
async def test_killing_the_process_loses_no_acknowledged_change(
    path: Path, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": basic("AC" + "e" * 32, "emulated-auth-token")}

    async def sims(url: str) -> dict[str, str]:
        async with session.get(f"{url}/twilio/supersim/v1/Sims", headers=headers) as response:
            rows = json.loads(await response.read())["sims"]
            return {row["sid"]: row["status"] for row in rows}

    process, url = await _start(path)
    expected = await sims(url)
    for sid in list(expected)[:20]:
        target = f"{url}/twilio/supersim/v1/Sims/{sid}"
        async with session.post(target, headers=headers, data={"Status": "active"}) as response:
            expected[sid] = (await response.json())["status"]
    await _kill(process)

    process, url = await _start(path)
    try:
        assert await sims(url) == expected
        async with session.get(f"{url}/_emulator/requests") as response:
            assert len((await response.json())["requests"]) == 1 + 20 + 1
    finally:
        await _kill(process)
    assert sorted(expected.values()) == ["new"] * 30 + ["scheduled"] * 20


def _create_foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE people(name TEXT)")
        db.commit()


def _create_other_format(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE items SET body = '99' WHERE room = 'about' AND key = 'format'")
        db.commit()


def _break_a_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE items SET body = '{\"record\"' WHERE room LIKE 'twiliosupersim%Sims'")
        db.commit()


def _break_a_task(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO items(room, key, body) VALUES ('errands', 'x', '{\"what\": 1}')")
        db.commit()


def content(path: Path) -> bytes:
    return path.read_bytes()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    "spoil",
    [_create_other_format, _break_a_row, _break_a_task, _truncate],
)
async def test_a_broken_state_file_is_one_clear_error_and_is_left_unchanged(
    path: Path, clock: ManualClock, spoil: Callable[[Path], None]
) -> None:
    async with running(path, clock):
        pass
    spoil(path)
    before = content(path)
    with pytest.raises(ConfigurationError, match=r"state\.db") as rejected:
        await running(path, clock).start()
    assert "\n" not in str(rejected.value)
    assert content(path) == before


async def test_another_programs_database_is_rejected_and_left_unchanged(
    path: Path, clock: ManualClock
) -> None:
    _create_foreign_database(path)
    before = content(path)
    with pytest.raises(ConfigurationError, match="another program's database"):
        await running(path, clock).start()
    assert content(path) == before


async def test_a_directory_is_rejected_as_a_state_file(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="cannot keep the emulator's state"):
        await running(tmp_path, clock).start()


DAY = 86400.0


def everything(emulator: Emulator) -> list[Any]:
    """All records of all accounts, with their internal state."""
    found: list[Any] = []
    for vendor in ("twilio", "kore"):
        for world in emulator.world(vendor).family():
            for kind in KINDS:
                store = world.store(kind)
                notes = [dict(store.notes(sid)) for sid in store]
                found.append((vendor, world.account_sid, kind.path, dict(store), notes))
    return found


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


async def test_commands_and_reservations_continue_after_a_restart(
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
