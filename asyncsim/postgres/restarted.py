"""Background tasks that are restarted after a bug."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from asyncsim.clock import Clock

logger = logging.getLogger("asyncsim")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds


async def restarted(work: Callable[[], Awaitable[None]], clock: Clock, what: str) -> None:
    """Run endless work; after a bug, log it, and restart the work after a pause.

    Otherwise the process would look healthy, but never do this work again.
    """
    pause = 0.0
    while True:
        began = clock.now()
        try:
            return await work()
        except Exception:
            # Errors in close succession have one cause, and must not fill the log.
            follows = clock.now() - began <= _LONGEST_PAUSE
            pause = min(pause * 2, _LONGEST_PAUSE) if follows and pause else _FIRST_PAUSE
            logger.exception("a bug in asyncsim: %s failed; restarting it in %g s", what, pause)
        await clock.sleep(pause)
