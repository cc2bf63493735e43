"""Single reads: a bounded number at once, never two of the same wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import define

from asyncsim.clock import Clock
from asyncsim.core.credentials import Credentials
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError

_AT_ONCE = 256  # the limiter holds back what the vendor would refuse


class Reports(Protocol):
    """To whom reads report."""

    def record_read(self, wait: Transition, record: Any, began: float) -> None:
        """A read succeeded."""

    def read_failed(self, wait: Transition, error: Exception, began: float) -> None:
        """A read failed."""

    def read_over(self, wait: Transition, *, again: bool) -> None:
        """A read is over, whatever it brought; `again`: another follows at once."""


@define(eq=False)
class _Read:
    task: asyncio.Future[None] | None = None
    begun: bool = False
    again: bool = False
    probes: bool = False
    """Whether it is the one that goes out while the credentials are in doubt."""


class Readers:
    """Reads SIMs one by one, as told."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Any]],
        spawn: Callable[[Awaitable[None]], asyncio.Future[None]],
        reports: Reports,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._reports = reports
        self._credentials = credentials
        self._clock = clock
        self._queue: dict[Transition, None] = {}
        self._reading: dict[Transition, _Read] = {}

    def __contains__(self, wait: object) -> bool:
        return wait in self._reading or wait in self._queue

    @property
    def are_queued(self) -> bool:
        """Whether reads wait until they may go out."""
        return bool(self._queue)

    def ask(self, wait: Transition) -> None:
        """Read as soon as possible; once more if a read is in flight that may be older."""
        read = self._reading.get(wait)
        if read is None:
            self._queue[wait] = None
            self.start()
        else:
            read.again |= read.begun

    def forget(self, wait: Transition) -> None:
        """Drop what is kept for a wait that has ended."""
        self._queue.pop(wait, None)

    def cancel(self, wait: Transition) -> None:
        """Stop a read whose result nobody wants any more."""
        self.forget(wait)
        read = self._reading.get(wait)
        if read is None or read.task is None:
            return
        if not read.begun:  # cancelled before its first step, it would clean up nothing
            self._end(wait, read)
        read.task.cancel()

    def start(self) -> None:
        """Send what may go out now."""
        while self._queue and len(self._reading) < _AT_ONCE and self._credentials.admits():
            wait = next(iter(self._queue))
            del self._queue[wait]
            self._reading[wait] = read = _Read(probes=self._credentials.doubt is not None)
            read.task = self._spawn(self._read(wait, read))

    def _end(self, wait: Transition, read: _Read) -> None:
        del self._reading[wait]
        if read.probes:
            self._credentials.probed()

    async def _read(self, wait: Transition, read: _Read) -> None:
        read.begun = True
        wait.callback_read_due = False
        wait.reads += 1
        wait.requests += 1
        try:
            await self._fetch_and_report(wait)
        finally:
            self._end(wait, read)
            if again := read.again and not wait.done:
                self._queue[wait] = None
            self.start()
        self._reports.read_over(wait, again=again)

    async def _fetch_and_report(self, wait: Transition) -> None:
        began = self._clock.now()
        try:
            record = await self._fetch(wait.sid or wait.name)
        except AsyncSimError as error:
            self._reports.read_failed(wait, error, began)
        except Exception as error:  # ours to mend; it is tried again until the deadline
            self._reports.read_failed(wait, error, began)
            raise
        else:
            self._reports.record_read(wait, record, began)
