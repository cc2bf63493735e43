"""Upkeep of the inbox: its table is checked at the start, and old rows are purged."""

from __future__ import annotations

import asyncio
import logging
import random

from asyncsim.clock import Clock
from asyncsim.errors import ConfigurationError
from asyncsim.postgres.engine import is_transient, remedy_of
from asyncsim.postgres.inbox import PURGED_AT_ONCE, is_writable, purge
from asyncsim.postgres.inbox_writer import FAILURES, PATIENCE, BusStats, Connect

logger = logging.getLogger("asyncsim")

_PURGE_EVERY = 60.0  # seconds on average, at random: many processes do it


async def check_table(connect: Connect) -> None:
    """Look at the table; ConfigurationError if it is missing, or may not be used.

    A database that does not respond is no error: it may be back soon.
    """
    try:
        async with asyncio.timeout(PATIENCE), await connect() as connection:
            await is_writable(connection)
    except FAILURES as error:
        if not (isinstance(error, TimeoutError) or is_transient(error)):
            raise ConfigurationError(remedy_of(error)) from None
        logger.warning("callbacks are not shared at present: %s", remedy_of(error))


async def purge_regularly(connect: Connect, clock: Clock, keep_for: float, stats: BusStats) -> None:
    """Delete old rows now and then; what another process is deleting is left to it."""
    while True:
        await clock.sleep(2 * _PURGE_EVERY * random.random())  # noqa: S311  # jitter
        try:
            with clock.working():
                async with await connect() as connection:
                    deleted = PURGED_AT_ONCE
                    while deleted >= PURGED_AT_ONCE:
                        deleted = await purge(connection, keep_for)
                        stats.purged += deleted
        except FAILURES as error:
            logger.debug("old callbacks are not deleted at present: %s", remedy_of(error))
