"""Background tasks that outlive a bug of theirs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from asyncsim.clock import Clock

logger = logging.getLogger("asyncsim")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds


async def restarted(work: Callable[[], Awaitable[None]], clock: Clock, what: str) -> None:
    """Do work that has no end; after a bug, log it, and begin anew after a pause.

    A process whose task had ended would look healthy, and never do again what the task was for.
    """
    pause = 0.0
    while True:
        began = clock.now()
        try:
            return await work()
        except Exception:
            # Errors that follow closely upon each other are one, and must not fill the log.
            follows = clock.now() - began <= _LONGEST_PAUSE
            pause = min(pause * 2, _LONGEST_PAUSE) if follows and pause else _FIRST_PAUSE
            logger.exception("a bug in asyncsim: %s failed, and begins anew in %g s", what, pause)
        await clock.sleep(pause)
