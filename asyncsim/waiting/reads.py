"""Single reads: a bounded number at once, never two for the same wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define

from asyncsim.clock import Clock
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError
from asyncsim.waiting.background import BackgroundTasks

# Limits tasks only: the concurrency limit prevents throttling.
_AT_ONCE = 256


@define(eq=False)
class _Read:
    task: asyncio.Future[None] | None = None
    begun: bool = False
    again: bool = False
    is_probe: bool = False
    """Whether it is the one sent while the credentials breaker is open."""


class SingleReads:
    """Reads SIMs one by one, on request."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Any]],
        *,
        tasks: BackgroundTasks,
        breaker: CredentialsBreaker,
        clock: Clock,
        on_record: Callable[[Transition, Any, float], None],
        on_failure: Callable[[Transition, Exception, float], None],
        on_end: Callable[[Transition], None],
    ) -> None:
        self._fetch = fetch
        self._tasks = tasks
        self._breaker = breaker
        self._clock = clock
        self._on_record = on_record
        """Called with the record, and when its request began."""
        self._on_failure = on_failure
        self._on_end = on_end
        """Called after either of these, unless another read for the same wait follows at once."""
        # Dictionaries keep their order: the wait that was queued first is read first.
        self._queue: dict[Transition, None] = {}
        self._in_flight: dict[Transition, _Read] = {}

    def __contains__(self, wait: object) -> bool:
        return wait in self._in_flight or wait in self._queue

    @property
    def are_queued(self) -> bool:
        """Whether reads are queued that may not be sent yet."""
        return bool(self._queue)

    def request(self, wait: Transition) -> None:
        """Read as soon as possible; once more if a read is in flight that may be older."""
        read = self._in_flight.get(wait)
        if read is None:
            self._queue[wait] = None
            self.send_queued()
        else:  # a task that has not begun will read the current state
            read.again |= read.begun

    def discard(self, wait: Transition) -> None:
        """Drop the queued read of a wait that has ended."""
        self._queue.pop(wait, None)

    def cancel(self, wait: Transition) -> None:
        """Cancel the read of a wait that was abandoned."""
        self.discard(wait)
        read = self._in_flight.get(wait)
        if read is None or read.task is None:
            return
        if not read.begun:  # a task cancelled before its first step never runs its `finally`
            self._release(wait, read)
        read.task.cancel()

    def send_queued(self) -> None:
        """Start the reads that may be sent now."""
        while self._queue and len(self._in_flight) < _AT_ONCE and self._breaker.allows_request():
            wait = next(iter(self._queue))
            del self._queue[wait]
            read = _Read(is_probe=self._breaker.rejection is not None)
            self._in_flight[wait] = read
            read.task = self._tasks.spawn(self._read(wait, read), wait.context)

    async def _read(self, wait: Transition, read: _Read) -> None:
        read.begun = True
        wait.begin_read()
        began = self._clock.now()
        try:
            try:
                # By SID once it is known: the name may have been given to another SIM.
                record = await self._fetch(wait.sid or wait.name)
            except AsyncSimError as error:
                self._on_failure(wait, error, began)
            except Exception as error:  # a bug of ours; it is read again until the deadline
                self._on_failure(wait, error, began)
                raise
            else:
                self._on_record(wait, record, began)
        finally:  # also when cancelled: the slot is free for the next read
            self._release(wait, read)
            if again := read.again and not wait.done:
                self._queue[wait] = None
            self.send_queued()
        if not again:
            self._on_end(wait)

    def _release(self, wait: Transition, read: _Read) -> None:
        del self._in_flight[wait]
        if read.is_probe:
            self._breaker.probe_ended()
