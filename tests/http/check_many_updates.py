"""3,000 updates started at once, with 2 s for each request, at a server of 100 slots and 200 ms.

In real time, because it is the timeouts of real sockets that must not be hit: about 6 s each.
"""

from __future__ import annotations

import asyncio

import pytest

from asyncsim import Client, Hosts, Timeout
from asyncsim.models.supersim.sims import Sim
from tests.http.server import Received, ScriptedResponse, Server

SIMS = 3000
SLOTS = 100
SECONDS = 0.2


class Vendor:
    """Accepts updates of SIMs; beyond its slots it throttles them, or lets them queue."""

    def __init__(self, server: Server, *, queues: bool) -> None:
        self.server = server
        self.slots = asyncio.Semaphore(SLOTS)
        self.queues = queues
        self.throttled = 0
        server.otherwise = self.respond

    async def respond(self, request: Received) -> ScriptedResponse:
        if self.slots.locked() and not self.queues:
            self.throttled += 1
            return ScriptedResponse(
                429, {"code": 20429, "message": "Too Many Requests", "status": 429}
            )
        async with self.slots:
            done = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(SECONDS, done.set_result, None)
            await done
        return ScriptedResponse(
            202, {"sid": request.raw_path.rpartition("/")[2], "status": "scheduled"}
        )


@pytest.mark.parametrize("queues", [False, True], ids=["throttles", "queues"])
async def test_three_thousand_updates_at_once_all_succeed(server: Server, queues: bool) -> None:
    vendor = Vendor(server, queues=queues)
    names = [f"HS{number:032x}" for number in range(SIMS)]
    hosts, timeout = Hosts(supersim=server.url), Timeout(request=2.0)
    async with Client.twilio("AC1", "x", hosts=hosts, timeout=timeout) as client:
        updates = (client.supersim.sims.update(name, status="active") for name in names)
        outcomes = await asyncio.gather(*updates, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Sim}
    # No timeout caused a retry: every request beyond the first of a SIM had been throttled.
    assert len(server.received) == SIMS + vendor.throttled
    assert vendor.throttled <= 0.05 * SIMS
