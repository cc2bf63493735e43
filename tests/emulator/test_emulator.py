"""Clients created by the emulator, and its end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Literal

import aiohttp
import pytest

from asyncsim import TransitionFailed, Watching
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults, Latency
from tests.emulator.api import Api
from tests.emulator.conftest import TRANSITION


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_client_is_logged_in_and_uses_the_emulators_clock(
    emulator: Emulator, clock: ManualClock, vendor: Literal["twilio", "kore"]
) -> None:
    async with emulator.client(vendor) as client:
        for sims in (client.supersim.sims, client.wireless.sims):
            sim = (await sims.list()).items[0]
            assert (await sims.update(sim.sid, status="active")).status != "new"
            await clock.advance(TRANSITION)
            assert (await sims.fetch(sim.sid)).status == "active"
    assert {entry.vendor for entry in emulator.requests} == {vendor}


async def test_at_a_thousand_times_the_speed_a_failed_update_ends_in_milliseconds() -> None:
    failing, exact = Faults(failing_updates=1.0), Latency(sigma=0.0)
    async with (
        asyncio.timeout(5),  # at real speed a failure is believed after 10 seconds
        Emulator(sims=1, speed=1000, faults=failing, latency=exact) as emulator,
        emulator.client() as client,
    ):
        sims = client.supersim.sims
        (sim,) = await sims.list()
        with pytest.raises(TransitionFailed):
            await sims.update_and_wait(sim.sid, status="active")


async def test_settings_that_are_given_to_a_client_count_real_seconds() -> None:
    given = Watching(stale_for=3.0)
    async with Emulator(speed=1000) as emulator:
        assert emulator.client(watching=given).context.watching is given
        assert emulator.client().context.watching == Watching().at_speed(emulator.speed)


async def test_a_stopped_emulator_is_freed_with_its_sims(session: aiohttp.ClientSession) -> None:
    async with Emulator(sims=1) as emulator:
        api = Api(emulator, session, "twilio", "supersim")
        assert (await api.get()).status == 200
        assert (await api.control("POST", "faults", "{}")).status == 200
    gone = weakref.ref(emulator)
    del emulator, api
    gc.collect()
    assert gone() is None
