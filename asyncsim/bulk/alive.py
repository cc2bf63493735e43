"""A process that shows in a shared journal that it is alive, without working on chunks."""

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

# Writes are repeated for a minute while the server is away: longer than whoever sent SIGTERM waits.
_REMOVE_WITHIN = 2.0
"""Seconds to take the process off the list when it ends; after that it is listed as dead."""


@asynccontextmanager
async def shown_alive(
    url: str, kind: str, accounts: Iterable[str], clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[None]:
    """List this process in a journal, such as a `receiver`, until the block ends.

    Nothing depends on it, so a database that cannot be used is only logged.
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
                logger.warning("this process is not in the list of `jobs watch`: %s", error)
            is_listed = False
            # Opened anew next time, which checks the tables: what failed may have been that.
            await database.close()
        await clock.sleep(max(woken + claims.HEARTBEAT - clock.now(), 0.0))
