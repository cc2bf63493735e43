"""A shared job as its tables in PostgreSQL show it, read past the product's own code."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
from attrs import define, field, frozen

_PATIENCE = 30.0  # seconds for a server that restarts
_EVERY = 0.05  # seconds between two looks at chunks that should move


@frozen
class Held:
    """A chunk that a worker had when it was killed or frozen."""

    number: int
    epoch: int


@define(eq=False)
class JobTables:
    """One connection, opened again after the server was restarted; the database has one job."""

    url: str
    _connection: psycopg.AsyncConnection[Any] | None = field(default=None, init=False)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _fetch(self, query: Any, *parameters: object) -> list[Any]:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    if self._connection is None:
                        self._connection = await psycopg.AsyncConnection.connect(
                            self.url, autocommit=True
                        )
                    cursor = await self._connection.execute(query, parameters)
                    return await cursor.fetchall()
                except psycopg.OperationalError:
                    await self.close()
                    await asyncio.sleep(_EVERY)

    async def state(self) -> tuple[str, str | None]:
        """The state of the job, and its reason."""
        [(state, reason)] = await self._fetch("SELECT state, reason FROM asyncsim.jobs")
        return state, reason

    async def done(self) -> int:
        """Rows that have reached their target."""
        query = "SELECT count(*) FROM asyncsim.rows WHERE state IN ('done', 'already')"
        [(count,)] = await self._fetch(query)
        return int(count)

    async def states(self) -> dict[str, int]:
        """Rows by state."""
        query = "SELECT state, count(*) FROM asyncsim.rows GROUP BY state"
        return dict(await self._fetch(query))

    async def held_by(self, pid: int) -> list[Held]:
        """The chunks that a process works on."""
        query = (
            "SELECT number, epoch FROM asyncsim.chunks"
            " WHERE state = 'running' AND owner LIKE %s ORDER BY number"
        )
        return [Held(*row) for row in await self._fetch(query, f"%:{pid}:%")]

    async def heartbeat_age(self, pid: int) -> float:
        """Seconds since the latest heartbeat of a process; 0 if it has no chunks."""
        query = (
            "SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at))"
            " FROM asyncsim.chunks WHERE state = 'running' AND owner LIKE %s"
        )
        [(age,)] = await self._fetch(query, f"%:{pid}:%")
        return float(age or 0.0)

    async def in_flight_of(self, pid: int) -> set[str]:
        """SIDs of a process' rows whose request may be in flight: intent, but no result."""
        query = (
            "SELECT r.sid FROM asyncsim.rows r JOIN asyncsim.chunks c ON r.job = c.job"
            " AND r.number BETWEEN c.first_row AND c.last_row"
            " WHERE r.state = 'sending' AND c.number > 0 AND c.state = 'running'"
            " AND c.owner LIKE %s"
        )
        return {sid for (sid,) in await self._fetch(query, f"%:{pid}:%")}

    async def moved(self, held: list[Held], since: float, patience: float) -> list[float]:
        """Wait until others work on these chunks; seconds from `since`, for each chunk."""
        left, seconds = {one.number: one.epoch for one in held}, []
        query = (
            "SELECT number, epoch, state, owner, heartbeat_at - clock_timestamp()"
            " FROM asyncsim.chunks WHERE number = ANY(%s)"
        )
        while left:
            chunks = await self._fetch(query, list(left))
            late = time.monotonic() - since
            for number, epoch, state, *_ in chunks:
                if epoch > left[number]:
                    seconds.append(late)
                    del left[number]
                elif state == "done":  # by a commit that was under way at the kill
                    del left[number]
            assert not left or late < patience, f"not moved in {late:.1f} s: {chunks}"
            await asyncio.sleep(_EVERY)
        return seconds
