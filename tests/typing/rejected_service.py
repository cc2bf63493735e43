"""Wrong uses by a service. Both type checkers must reject each marked line, and no other."""

from __future__ import annotations

import asyncsim
from asyncsim.emulator import Emulator, ThreadedEmulator

MISSPELT: asyncsim.supersim.SimUpdate = {"statsu": "active"}  # E: unknown key
PENDING: asyncsim.supersim.RequestableStatus = "scheduled"  # E: only the vendor sets it
OTHER: asyncsim.wireless.SimUpdate = {"fleet": "default"}  # E: of the other product
MIXED: asyncsim.wireless.Sim = asyncsim.supersim.Sim(sid="HS1")  # E: of the other product
print(asyncsim.supersim.RatePlan)  # E: of the other product
print(asyncsim.wireless.Sims)  # E: no record


async def frozen(client: asyncsim.Client, emulator: ThreadedEmulator) -> None:
    sim: asyncsim.supersim.Sim = await client.supersim.sims.fetch("HS1")
    sim.status = "active"  # E: records are frozen
    client.wireless.sims.update_many({"DE1": MISSPELT})  # E: of the other product
    emulator.client("verizon")  # E: unknown vendor
    emulator.sims("sms")  # E: unknown product
    emulator.requests = []  # E: read only
    ThreadedEmulator(sims=5)  # E: it takes an Emulator
    Emulator(simss=5)  # E: misspelt keyword
    asyncsim.Watching().at_speed("fast")  # E: a number
    asyncsim.Watching(stale=3.0)  # E: unknown setting
