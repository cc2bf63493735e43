"""`bulk.migrate`: the tables of a journal and of the queue of its chunks."""

from __future__ import annotations

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import migrations
from asyncsim.postgres.url import is_database


async def migrate(target: str) -> tuple[int, int]:
    """Create the tables of a shared journal, or bring those of an older version forward.

    As `asyncsim jobs migrate`: once, and after each update of asyncsim, while no worker runs. All
    else rejects tables that are missing, older or newer.

    `target` is the URL of a database, `postgresql://...`, or the path of an older journal file.
    Returns the formats before and now; 0 before the first time. Raises `JournalError`.
    """
    formats = await migrations.migrate(target)
    if is_database(target):
        # Whoever uses the other dispatch today may use this one tomorrow.
        async with make_dispatch("procrastinate", target) as queue:
            await queue.install()
    return formats
