"""Single reads: a bounded number at once, never two of the same wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import define

from asyncsim.core.transition import Transition
from asyncsim.errors import (
    AsyncSimError,
    AuthenticationError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
)

_AT_ONCE = 256  # the gate holds back what the vendor would refuse
_MISSES = 2  # such errors in a row end a wait
# A SIM that is gone, an account that is closed: time will not mend it. A page of a gateway, or a
# response about another SIM, says nothing of this one.
_LASTING = (AuthenticationError, ConfigurationError, NotFound, PermissionDenied)


class Reports(Protocol):
    """To whom reads report."""

    def record_read(self, wait: Transition, record: Any) -> None:
        """A read succeeded."""

    def read_failed(self, wait: Transition) -> None:
        """A read failed; `wait.trouble` says why; it may be tried again later."""

    def read_hopeless(self, wait: Transition, error: AsyncSimError) -> None:
        """A read failed in a way that ends the wait."""

    def read_over(self, wait: Transition, *, again: bool) -> None:
        """A read is over, whatever it brought; `again`: another follows at once."""


@define(eq=False)
class _Read:
    task: asyncio.Future[None] | None = None
    begun: bool = False
    again: bool = False


class Readers:
    """Reads SIMs one by one, as told."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Any]],
        spawn: Callable[[Awaitable[None]], asyncio.Future[None]],
        reports: Reports,
    ) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._reports = reports
        self._queue: dict[Transition, None] = {}
        self._reading: dict[Transition, _Read] = {}
        self._misses: dict[Transition, int] = {}

    def __contains__(self, wait: object) -> bool:
        return wait in self._reading or wait in self._queue

    def ask(self, wait: Transition) -> None:
        """Read as soon as possible; once more if a read is under way that may be older."""
        read = self._reading.get(wait)
        if read is None:
            self._queue[wait] = None
            self._start()
        else:
            read.again |= read.begun

    def forget(self, wait: Transition) -> None:
        """Drop what is kept for a wait that has ended."""
        self._queue.pop(wait, None)
        self._misses.pop(wait, None)

    def cancel(self, wait: Transition) -> None:
        """Stop a read whose result nobody wants any more."""
        self.forget(wait)
        read = self._reading.get(wait)
        if read is None or read.task is None:
            return
        if not read.begun:  # cancelled before its first step, it would clean up nothing
            del self._reading[wait]
        read.task.cancel()

    def _start(self) -> None:
        while self._queue and len(self._reading) < _AT_ONCE:
            wait = next(iter(self._queue))
            del self._queue[wait]
            self._reading[wait] = read = _Read()
            read.task = self._spawn(self._read(wait, read))

    async def _read(self, wait: Transition, read: _Read) -> None:
        read.begun = True
        wait.reads += 1
        wait.requests += 1
        try:
            await self._fetch_and_report(wait)
        finally:
            del self._reading[wait]
            if again := read.again and not wait.done:
                self._queue[wait] = None
            self._start()
        self._reports.read_over(wait, again=again)

    async def _fetch_and_report(self, wait: Transition) -> None:
        try:
            record = await self._fetch(wait.sid or wait.name)
        except _LASTING as error:
            self._missed(wait, error)
        except AsyncSimError as error:
            wait.trouble = error
            self._reports.read_failed(wait)
        except Exception as error:  # ours to mend; it is tried again until the deadline
            wait.trouble = error
            self._reports.read_failed(wait)
            raise
        else:
            self._misses.pop(wait, None)
            self._reports.record_read(wait, record)

    def _missed(self, wait: Transition, error: AsyncSimError) -> None:
        wait.trouble = error
        if wait.done:
            return
        if wait.is_unanswered:  # the answer of its POST will tell what has become of it
            self._reports.read_failed(wait)
            return
        self._misses[wait] = self._misses.get(wait, 0) + 1
        if self._misses[wait] >= _MISSES:
            self._reports.read_hopeless(wait, error)
        else:
            self._reports.read_failed(wait)
