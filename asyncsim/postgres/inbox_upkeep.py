"""Upkeep of the bus: checks its tables at the start, and purges old rows."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial

from asyncsim.clock import Clock
from asyncsim.errors import ConfigurationError
from asyncsim.postgres import commands, inbox
from asyncsim.postgres.engine import FAILURES, Connection, is_transient, remedy_of
from asyncsim.postgres.inbox import PURGED_AT_ONCE
from asyncsim.postgres.inbox_writer import PATIENCE, BusStats
from asyncsim.postgres.kept_connection import Connect, KeptConnection
from asyncsim.postgres.restarted import restarted

logger = logging.getLogger("asyncsim")

_PURGE_EVERY = 60.0  # seconds on average, at random: many processes do it
_HANGS = 30.0  # seconds for one DELETE, which may wait 10 s for a lock


async def check_tables(connect: Connect, shown: str) -> None:
    """Check the tables; ConfigurationError if a table or a privilege is missing.

    A database that does not respond, or is read-only, is not an error: this may be temporary.
    `shown`: its URL, for messages.
    """
    connection = KeptConnection(connect, PATIENCE)
    try:
        _, may_insert = await connection.use(inbox.check_rights)
    except FAILURES as error:
        if not is_transient(error):
            raise ConfigurationError(f"{shown} cannot be used: {remedy_of(error)}") from None
        logger.warning("callbacks cannot be shared through %s: %s", shown, remedy_of(error))
        return
    finally:
        await connection.close()
    if not may_insert:
        raise ConfigurationError(
            f"{shown}: the user may not INSERT into asyncsim.inbox and asyncsim.commands: have an"
            " administrator grant it (docs/postgresql.md)"
        )


async def purge_regularly(connect: Connect, clock: Clock, keep_for: float, stats: BusStats) -> None:
    """Delete old rows regularly, one process at a time."""
    purging = partial(_purge, connect, clock, keep_for, stats)
    await restarted(purging, clock, "the purge of old callbacks")


async def _purge(connect: Connect, clock: Clock, keep_for: float, stats: BusStats) -> None:
    connection = KeptConnection(connect, _HANGS)
    while True:
        await clock.sleep(2 * _PURGE_EVERY * random.random())  # noqa: S311  # jitter
        try:
            with clock.working():
                stats.purged += await _all_of(inbox.purge, connection, keep_for)
                stats.purged += await _all_of(commands.purge, connection, keep_for)
                unread = await _all_of(commands.purge_unhandled, connection, commands.UNHANDLED_FOR)
        except FAILURES as error:
            # A missing privilege is permanent, and the tables would grow.
            level = logging.DEBUG if is_transient(error) else logging.WARNING
            logger.log(level, "old callbacks cannot be deleted: %s", remedy_of(error))
            continue
        finally:
            await connection.close()  # used for milliseconds each minute
        if unread:
            logger.error(
                "deleted Commands from devices that no process has handled for 7 days: %d. Iterate"
                " over receiver.commands() in a process with the credentials that made their URL",
                unread,
            )


async def _all_of(
    purge: Callable[[Connection, float], Awaitable[int]],
    connection: KeptConnection,
    seconds: float,
) -> int:
    total, deleted = 0, PURGED_AT_ONCE
    while deleted >= PURGED_AT_ONCE:
        total += (deleted := await connection.use(lambda found: purge(found, seconds)))
    return total
