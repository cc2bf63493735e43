"""A worker's process: it works on the shared job until it is killed, and again after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define

from asyncsim import Client, bulk
from asyncsim.errors import AsyncSimError
from asyncsim.vendors import EMULATOR_CREDENTIALS, VENDORS, emulator_hosts
from tests.simulation.clock import SkewedClock
from tests.simulation.gateway import PORT
from tests.simulation.history import History
from tests.simulation.service import TIMEOUT
from tests.simulation.shared_database import URL, SharedFile
from tests.simulation.workers_scenario import WorkersScenario

_RESTARTED_AFTER = 2.0
"""Seconds until a supervisor starts a worker again that has ended with an error."""


@define(eq=False)
class Worker:
    """The work of one process."""

    scenario: WorkersScenario
    history: History
    skew: float
    database: SharedFile
    starts: Callable[[], int]

    def _client(self) -> Client:
        base = self.scenario.base
        settings: dict[str, Any] = {
            "hosts": emulator_hosts(f"http://127.0.0.1:{PORT}", VENDORS[base.vendor]),
            "clock": SkewedClock(start=1000.0 * self.starts(), skew=self.skew),
            "timeout": TIMEOUT,
        }
        own = EMULATOR_CREDENTIALS
        if base.vendor == "kore":
            return Client.kore(own.client_id, own.client_secret, **settings)
        return Client.twilio(own.account_sid, own.auth_token, **settings)

    async def submit(self) -> None:
        """Plan the job, and hand its chunks out."""
        base = self.scenario.base
        rows: list[Any] = [{"sid": one.sid, **one.change} for one in self.history.goals]
        job = bulk.Job.from_rows(
            rows,
            product=base.product,
            action="send" if base.work == "texts" else "update",
            columns=sorted(self.history.goals[0].change),
        )
        async with self._client() as client:
            await bulk.submit(
                job,
                client,
                URL,
                name="job",
                chunk_rows=self.scenario.chunk_rows,
                dispatch="table",
                timeout=base.timeout,
            )

    async def run(self) -> None:
        """Work until killed."""
        while True:
            try:
                async with self._client() as client:
                    await bulk.work(
                        URL,
                        [client],
                        dispatch="table",
                        chunks_at_once=self.scenario.chunks_at_once,
                    )
            except AsyncSimError as error:
                self.history.lines.append(f"a worker ended with {error!r}")
            except Exception as error:
                self.history.errors.append(f"a worker ended with {error!r}")
                raise
            await asyncio.sleep(_RESTARTED_AFTER)
