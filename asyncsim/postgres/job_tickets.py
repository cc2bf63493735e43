"""Ticket secrets of the jobs in a shared journal, with which a receiver accepts their callbacks.

A run may sign its tickets with a secret of the job, so that a later run with other credentials
accepts its callbacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import FAILURES, Connection, PostgresUrl, connect, remedy_of
from asyncsim.postgres.kept_connection import KeptConnection
from asyncsim.postgres.restarted import restarted
from asyncsim.redaction import Redacted

logger = logging.getLogger("asyncsim")

_REFRESH_EVERY = 2.0
"""Seconds; the first callback of a new job comes later, as its SIMs take seconds to change."""
_HANGS = 5.0  # seconds for one read

# Each secret costs every callback a hash, so only the latest unfinished jobs are read.
_SECRETS = """
SELECT ticket_secret FROM asyncsim.jobs
WHERE ticket_secret <> '' AND state NOT IN ('finished', 'cancelled')
ORDER BY id DESC LIMIT 1000
"""


@asynccontextmanager
async def following_job_tickets(
    url: str, use: Callable[[Sequence[str]], object], clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[None]:
    """Call `use` with the ticket secrets of all jobs, now and whenever they change.

    They are read before the block begins, unless that takes too long.
    """
    reader = _SecretReader(url, use, clock)
    await reader.read()
    following = restarted(reader.follow, clock, "the reader of ticket secrets")
    task = asyncio.create_task(following, name="asyncsim-job-tickets")
    try:
        yield
    finally:
        try:
            await end(task)
        finally:
            await reader.connection.close()


class _SecretReader:
    def __init__(self, url: str, use: Callable[[Sequence[str]], object], clock: Clock) -> None:
        self.connection = KeptConnection(partial(connect, PostgresUrl.parse(url)), _HANGS)
        self._use = use
        self._clock = clock
        self._known: tuple[str, ...] = ()

    async def read(self) -> None:
        """Read the secrets, and use them if they have changed."""
        try:
            found = await self.connection.use(_read_secrets)
        except FAILURES as error:
            logger.info("ticket secrets of jobs cannot be read: %s", remedy_of(error))
            return
        if found != self._known:
            self._use(found)
            self._known = found

    async def follow(self) -> None:
        """Read them regularly."""
        while True:
            await self._clock.sleep(_REFRESH_EVERY)
            await self.read()


async def _read_secrets(connection: Connection) -> tuple[str, ...]:
    rows = await (await connection.execute(_SECRETS)).fetchall()
    return tuple(Redacted(row[0]) for row in rows)
