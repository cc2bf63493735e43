"""Dispatch: how the chunks of submitted jobs reach workers.

A dispatch only proposes chunks. Who owns one is decided by the claim in the chunk table, so a queue
that hands out a chunk twice, or forgets one, costs time and nothing else.
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
"""Notifications of this channel say that there may be chunks to claim."""
POLL_EVERY = 1.0
"""Seconds between two looks for chunks; notifications only make it sooner."""

Handle = Callable[[ChunkRef | None], Awaitable[bool]]
"""Claims a chunk, or any one (None), and works on it; False if there was none to claim."""


class Dispatch(Protocol):
    """Hands the chunks of submitted jobs out to workers. Used with `async with`."""

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
        """Create what it needs in the database, or bring that forward; part of `jobs migrate`."""
        ...

    async def enqueue(self, chunks: Sequence[ChunkRef]) -> None:
        """Tell the workers that these chunks are queued. Twice does no harm."""
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
        """Propose chunks again that a dead worker had, or that no queue knows; how many."""
        ...


@asynccontextmanager
async def wake_ups(url: str, clock: Clock) -> AsyncIterator[asyncio.Event]:
    """An event that is set by each notification that there may be chunks to claim."""
    from asyncsim.postgres.listen import listening

    event = asyncio.Event()
    async with listening(url, CHANNEL, event.set, clock):
        yield event
