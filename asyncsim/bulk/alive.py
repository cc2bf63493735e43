"""Heartbeats of a process that does not work on chunks, such as a receiver."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from asyncsim.bulk.journal import claims, processes
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.processes import JournalProcess
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import JournalError

logger = logging.getLogger("asyncsim")

# Writes are retried for a minute while the server cannot be reached: too long after a SIGTERM.
_REMOVE_WITHIN = 2.0
"""Seconds to remove the process from the list when it ends; after that it is listed as dead."""


@asynccontextmanager
async def shown_alive(
    url: str, kind: str, accounts: Iterable[str], clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[None]:
    """List this process in a journal, for instance as a `receiver`, until the block ends.

    Nothing depends on it, so errors of the database are only logged.
    """
    process = JournalProcess(
        id=claims.new_owner(),
        kind=kind,
        host=socket.gethostname(),
        pid=os.getpid(),
        accounts=tuple(accounts),
    )
    database = open_database(url, clock)
    task = asyncio.create_task(_beat(database, process, clock), name="asyncsim-shown-alive")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(JournalError, TimeoutError):
            async with asyncio.timeout(_REMOVE_WITHIN):
                if database.is_open:
                    await database.write(processes.remove, process.id)
        await database.close()


async def _beat(database: Database, process: JournalProcess, clock: Clock) -> None:
    is_listed = True
    while True:
        woken = clock.now()
        try:
            if not database.is_open:
                await database.open()
            times = database.now(), database.now(-processes.FORGOTTEN_AFTER)
            await database.write(processes.record_alive, process, *times)
            is_listed = True
        except JournalError as error:
            if is_listed:  # once for each outage
                logger.warning("`jobs watch` does not list this process: %s", error.message)
            is_listed = False
            # Reopened next time, which checks the tables: they may be the problem.
            await database.close()
        await clock.sleep(max(woken + claims.HEARTBEAT - clock.now(), 0.0))
