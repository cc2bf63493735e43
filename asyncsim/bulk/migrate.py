"""`bulk.migrate`: creates or upgrades the tables of a journal and of its queue."""

from __future__ import annotations

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal import migrations
from asyncsim.postgres.url import is_database


async def migrate(target: str) -> tuple[int, int]:
    """Create the tables of a shared journal, or upgrade those of an older version.

    As `asyncsim jobs migrate`: run it once, and after each update of asyncsim, while no worker
    runs. All other calls reject tables that are missing, older or newer.

    `target` is the URL of a database, `postgresql://...`, or the path of an older journal file.
    Returns the formats before and after; 0 if there were no tables. Raises `JournalError`.
    """
    formats = await migrations.migrate(target)
    if is_database(target):
        # Also for users of `--dispatch table`, who may switch to procrastinate later.
        async with make_dispatch("procrastinate", target) as queue:
            await queue.install()
    return formats
