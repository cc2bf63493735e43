"""`bulk.migrate`: creates or upgrades the tables of a journal and of its queue."""

from __future__ import annotations

from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.errors import JournalFailed
from asyncsim.bulk.journal import migrations
from asyncsim.postgres.url import PostgresUrl, is_database


async def migrate(target: str) -> tuple[int, int]:
    """Create the tables of a shared journal, or upgrade those of an older version.

    As `asyncsim jobs migrate`: run it once, and after each update of asyncsim, while no worker
    runs. All other calls reject tables that are missing, older or newer.

    `target` is the URL of a database, `postgresql://...`, or the path of an older journal file.
    Returns the formats before and after; 0 if there were no tables. Raises `JournalError`, also if
    the server does not respond for a minute. An upgrade may take longer than that.
    """
    if not is_database(target):
        return await migrations.migrate(target)
    from asyncsim.postgres.responding import while_responding  # here, because it loads psycopg

    url = PostgresUrl.parse(target)
    try:
        return await while_responding(url, _migrate_all(target))
    except TimeoutError as error:
        text = (
            f"journal {url.shown}: {error}, so it is unknown whether its tables were created or"
            " upgraded: check that it runs and is not overloaded"
        )
        raise JournalFailed(text, "then run the same command again, which does no harm") from error


async def _migrate_all(url: str) -> tuple[int, int]:
    formats = await migrations.migrate(url)
    # Also for users of `--dispatch table`, who may switch to procrastinate later.
    async with make_dispatch("procrastinate", url) as queue:
        await queue.install()
    return formats
