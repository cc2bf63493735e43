"""Time limits for calls to a database, whatever its driver does.

A driver may lose a cancellation (`asyncio.wait_for` of Python 3.11, python/cpython#86296), or first
ask the server to cancel a statement, which a frozen one never does (psycopg/psycopg#1371). So a
task is cancelled several times, and abandoned if it does not end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("asyncsim")

_AGAIN = 1.0  # seconds between two cancellations of one task
_CANCELLATIONS = 3  # of a task, before it is left


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return once they have ended; after a few seconds in any case."""
    running = ours = {one for one in tasks if not one.done()}
    for _ in range(_CANCELLATIONS):
        if not running:
            break
        for one in running:
            one.cancel()
        try:
            _, running = await asyncio.wait(running, timeout=_AGAIN)
        except asyncio.CancelledError:  # the caller was cancelled, too
            for one in running:
                one.cancel()
            raise
    for one in running:
        logger.warning("%s does not end: its database does not respond", one.get_name())
    for one in set(tasks) - running:
        # Always retrieved: otherwise asyncio logs the error, and the frames of a cancelled
        # connection attempt keep its socket open.
        with suppress(asyncio.CancelledError):
            if (error := one.exception()) is not None and one in ours:
                logger.debug("%s ended with %r", one.get_name(), error)


async def within(seconds: float, work: Coroutine[Any, Any, T], name: str = "asyncsim") -> T:
    """Await work for at most `seconds`; then end it, and raise TimeoutError."""
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError(f"the server has not responded for {seconds:g} s")
        return task.result()
    finally:
        await end(task)


async def finish(
    work: Coroutine[Any, Any, T],
    given_up: asyncio.Future[None],
    *,
    seconds: float,
    if_cancelled: float,
) -> T:
    """Finish work despite a cancellation, which is raised afterwards.

    Raises TimeoutError after `seconds`, or when `given_up` is done. Once cancelled, the work gets
    at most `if_cancelled` more seconds.
    """
    task = asyncio.create_task(work, name="asyncsim-transaction")
    now = asyncio.get_running_loop().time
    deadline = now() + seconds
    cancelled: asyncio.CancelledError | None = None
    while not (task.done() or given_up.done()) and (left := deadline - now()) > 0:
        try:
            await asyncio.wait((task, given_up), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            cancelled, deadline = error, min(deadline, now() + if_cancelled)
    late = not task.done()
    await end(task)
    if cancelled is not None:
        raise cancelled
    if late:
        raise TimeoutError("the server does not respond")
    return task.result()
