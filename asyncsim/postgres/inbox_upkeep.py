"""Upkeep of the bus: its tables are checked at the start, and old rows are purged."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from psycopg import AsyncConnection

from asyncsim.clock import Clock
from asyncsim.errors import ConfigurationError
from asyncsim.postgres import commands, inbox
from asyncsim.postgres.engine import is_transient, remedy_of
from asyncsim.postgres.inbox import PURGED_AT_ONCE
from asyncsim.postgres.inbox_writer import FAILURES, PATIENCE, BusStats, Connect
from asyncsim.postgres.restarted import restarted

logger = logging.getLogger("asyncsim")

_PURGE_EVERY = 60.0  # seconds on average, at random: many processes do it


async def check_tables(connect: Connect, shown: str) -> None:
    """Look at the tables; ConfigurationError if one is missing, or may not be used.

    A database that does not respond, or is read-only, is no error: it may be back soon. `shown`:
    its URL, for messages.
    """
    try:
        async with asyncio.timeout(PATIENCE), await connect() as connection:
            _, may_insert = await inbox.check_rights(connection)
    except FAILURES as error:
        if not (isinstance(error, TimeoutError) or is_transient(error)):
            raise ConfigurationError(f"{shown} cannot be used: {remedy_of(error)}") from None
        logger.warning("callbacks are not shared by %s at present: %s", shown, remedy_of(error))
        return
    if not may_insert:
        raise ConfigurationError(
            f"{shown}: the user may not INSERT into asyncsim.inbox and asyncsim.commands: have an"
            " administrator grant it (docs/postgresql.md)"
        )


async def purge_regularly(connect: Connect, clock: Clock, keep_for: float, stats: BusStats) -> None:
    """Delete old rows now and then; what another process is deleting is left to it."""
    purging = partial(_purge, connect, clock, keep_for, stats)
    await restarted(purging, clock, "the purge of old callbacks")


async def _purge(connect: Connect, clock: Clock, keep_for: float, stats: BusStats) -> None:
    while True:
        await clock.sleep(2 * _PURGE_EVERY * random.random())  # noqa: S311  # jitter
        try:
            with clock.working():
                async with await connect() as connection:
                    stats.purged += await _all_of(inbox.purge, connection, keep_for)
                    stats.purged += await _all_of(commands.purge, connection, keep_for)
                    unread = await _all_of(
                        commands.purge_unhandled, connection, commands.UNHANDLED_FOR
                    )
        except FAILURES as error:
            # A missing privilege would never pass, and the tables would grow.
            level = logging.DEBUG if is_transient(error) else logging.WARNING
            logger.log(level, "old callbacks are not deleted at present: %s", remedy_of(error))
            continue
        if unread:
            logger.error(
                "deleted Commands from devices that no process has handled for 7 days: %d. Iterate"
                " over receiver.commands() in a process with the credentials that made their URL",
                unread,
            )


async def _all_of(
    purge: Callable[[AsyncConnection[Any], float], Awaitable[int]],
    connection: AsyncConnection[Any],
    seconds: float,
) -> int:
    total = deleted = await purge(connection, seconds)
    while deleted >= PURGED_AT_ONCE:
        total += (deleted := await purge(connection, seconds))
    return total
