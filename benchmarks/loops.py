"""Event loops to measure in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def loop_factory(*, uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Make uvloop's loops if asked for and installed; None: asyncio's own."""
    if not uvloop:
        return None
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
