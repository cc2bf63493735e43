"""Work of any length, such as a migration, for as long as the server responds at all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from asyncsim.postgres.bounded import end, within
from asyncsim.postgres.engine import FAILURES, connect
from asyncsim.postgres.url import PostgresUrl

T = TypeVar("T")

_EVERY = 5.0  # seconds between two probes
_PROBE = 10.0  # seconds for one; hosts of the URL may be silent, each for `connect_timeout`
_SILENT = 60.0  # seconds without a response after which the work is given up


async def while_responding(url: PostgresUrl, work: Coroutine[Any, Any, T]) -> T:
    """Await work on a server; raises TimeoutError once the server has been silent for a minute.

    A statement may take hours, so the work itself has no time limit. Other connections show whether
    the server still responds.
    """
    task = asyncio.create_task(work, name="asyncsim-long-work")
    silence = asyncio.create_task(_until_silent(url), name="asyncsim-probes")
    try:
        await asyncio.wait((task, silence), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            silence.result()  # raises a bug in it
            raise TimeoutError(f"the server has not responded for {_SILENT:g} s")
        return task.result()
    finally:
        await end(task, silence)


async def _until_silent(url: PostgresUrl) -> None:
    from psycopg.errors import ConnectionTimeout  # late: `engine` says first that it is missing

    now = asyncio.get_running_loop().time
    heard = now()
    while now() < heard + _SILENT:
        await asyncio.sleep(_EVERY)
        try:
            await within(_PROBE, _probe(url), "asyncsim-probe")
        except (TimeoutError, ConnectionTimeout):
            continue
        except FAILURES:
            pass  # it responds; or it is gone, and then the work ends by itself
        heard = now()


async def _probe(url: PostgresUrl) -> None:
    async with await connect(url) as connection:
        await connection.execute("SELECT 1")
