"""Dispatch: how the chunks of submitted jobs reach workers.

A dispatch only proposes chunks. The claim in the chunk table decides who owns one, so a queue that
hands out a chunk twice, or loses one, only costs time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Protocol, Self

from asyncsim.bulk.records import ChunkRef
from asyncsim.clock import Clock

CHANNEL = "asyncsim_chunks"
"""A notification on this channel says that there may be chunks to claim."""
POLL_EVERY = 1.0
"""Seconds between two polls for chunks; a notification triggers one sooner."""

Handle = Callable[[ChunkRef | None], Awaitable[bool]]
"""Claims this chunk, or any (None), and works on it; False if there was none to claim."""


class Dispatch(Protocol):
    """Hands out the chunks of submitted jobs to workers. Used with `async with`."""

    async def __aenter__(self) -> Self:
        """Connect."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        ...

    async def install(self) -> None:
        """Create or upgrade what it needs in the database; part of `jobs migrate`."""
        ...

    async def enqueue(self, chunks: Sequence[ChunkRef]) -> None:
        """Tell the workers that these chunks are queued. Repeating this does no harm."""
        ...

    async def work(
        self,
        handle: Handle,
        accounts: Collection[str],
        *,
        at_once: int,
        stop: asyncio.Event,
        dropped: asyncio.Event,
    ) -> None:
        """Call `handle` for chunks of these accounts (`account_key`), until stopped.

        `dropped` is set whenever an account was removed from `accounts`. Returns once all calls
        have returned.
        """
        ...

    async def requeue_stalled(self) -> int:
        """Propose the chunks of dead workers, and lost ones, again; returns how many."""
        ...


@asynccontextmanager
async def wake_ups(url: str, clock: Clock) -> AsyncIterator[asyncio.Event]:
    """Yield an event that each notification about chunks to claim sets."""
    from asyncsim.postgres.listen import listening

    event = asyncio.Event()
    async with listening(url, CHANNEL, event.set, clock):
        yield event
