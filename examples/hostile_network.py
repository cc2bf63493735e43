"""Activate 200 SIMs over a network that fails often, against the emulator: no account needed.

    python hostile_network.py

One request in ten is throttled, one in ten fails, and callbacks are lost or come twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncsim
from asyncsim.emulator import Emulator, Faults
from asyncsim.observers import Tally

FAULTS = Faults(
    seed=7,
    rate_limited=0.1,
    server_errors=0.05,
    dropped=0.05,
    lost_callbacks=0.3,
    doubled_callbacks=0.3,
)


async def main() -> Counter[str]:
    """Activate every SIM; return how many ended in which status."""
    tally, ended = Tally(), Counter[str]()
    async with Emulator(sims=200, speed=200, seed=7, faults=FAULTS) as emulator:
        receiver = asyncsim.CallbackReceiver()
        async with emulator.client(receiver=receiver, observers=[tally]) as client:
            sims = client.supersim.sims
            found = [sim.sid async for sim in sims.list(page_size=1000)]
            many = sims.update_many((sid, {"status": "active"}) for sid in found)
            async for outcome in many:
                ended[(outcome.sim and outcome.sim.status) or "unknown"] += 1
    print(dict(ended), f"after {tally.requests} requests, {tally.retried} of them retries")
    return ended


if __name__ == "__main__":
    asyncio.run(main())
