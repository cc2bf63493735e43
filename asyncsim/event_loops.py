"""Objects that can be used in one event loop after another, but not in two at a time."""

from __future__ import annotations

import asyncio

from asyncsim.errors import ConfigurationError


def must_bind(bound: asyncio.AbstractEventLoop | None, *, in_use: bool, name: str) -> bool:
    """Whether an object that belongs to that loop has to be set up for the running one.

    ConfigurationError while it is in use in another loop. A loop that was closed uses nothing.
    """
    if bound is asyncio.get_running_loop():
        return False
    if in_use and bound is not None and not bound.is_closed():
        raise ConfigurationError(
            f"this {name} is in use in another event loop; give each loop its own"
        )
    return True
