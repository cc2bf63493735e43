"""A shared journal for tests of commands, and a worker in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from asyncsim import bulk
from asyncsim.emulator import Emulator

DISPATCH = ("--dispatch", "table")


@contextlib.asynccontextmanager
async def working(url: str, emulator: Emulator, **options: Any) -> AsyncIterator[None]:
    """A worker of the emulator's account, stopped gracefully at the end."""
    stop = asyncio.Event()
    async with emulator.client() as client:
        work = bulk.work(url, [client], dispatch="table", stop=stop, **options)
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            stop.set()
            await task


def without_password(url: str) -> str:
    """Return a URL as people type it, and as messages show it."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
