"""Ticket secrets of the jobs in a shared journal: a receiver accepts the callbacks of all of them.

A run of a job may sign its tickets with a secret of the job's own, so that a later run, with other
credentials, accepts its callbacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import PostgresUrl, connect, remedy_of
from asyncsim.postgres.inbox_writer import FAILURES
from asyncsim.redaction import Redacted

logger = logging.getLogger("asyncsim")

_REFRESH_EVERY = 2.0
"""Seconds; the first callback of a new job comes later, as its SIMs take seconds to change."""

# Each secret costs every callback a hash: those of the latest jobs that are not over will do.
_SECRETS = """
SELECT ticket_secret FROM asyncsim.jobs
WHERE ticket_secret <> '' AND state NOT IN ('finished', 'cancelled')
ORDER BY id DESC LIMIT 1000
"""


@asynccontextmanager
async def following_job_tickets(
    url: str, use: Callable[[Sequence[str]], object], clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[None]:
    """Call `use` with the ticket secrets of all jobs, now and whenever they change."""
    parsed = PostgresUrl.parse(url)
    task = asyncio.create_task(_follow(parsed, use, clock), name="asyncsim-job-tickets")
    try:
        yield
    finally:
        await end(task)


async def _follow(url: PostgresUrl, use: Callable[[Sequence[str]], object], clock: Clock) -> None:
    known: tuple[str, ...] = ()
    while True:
        try:
            async with await connect(url) as connection:
                while True:
                    found = await _read_secrets(connection)
                    if found != known:
                        known = found
                        use(found)
                    await clock.sleep(_REFRESH_EVERY)
        except FAILURES as error:
            logger.info("ticket secrets of jobs cannot be read at present: %s", remedy_of(error))
            await clock.sleep(_REFRESH_EVERY)


async def _read_secrets(connection: AsyncConnection[Any]) -> tuple[str, ...]:
    rows = await (await connection.execute(_SECRETS)).fetchall()
    return tuple(Redacted(row[0]) for row in rows)
