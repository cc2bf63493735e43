"""Clients created by the emulator."""

from __future__ import annotations

from typing import Literal

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator
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
