"""Single reads: a bounded number at once, never two of the same wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError, DecodeError, NotFound

_AT_ONCE = 256  # the gate holds back what the vendor would refuse
_MISSES = 2  # times that a SIM may be missing or unreadable before its wait ends


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


class Readers:
    """Reads SIMs one by one, as told."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Any]],
        spawn: Callable[[Awaitable[None]], object],
        reports: Reports,
    ) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._reports = reports
        self._queue: deque[Transition] = deque()
        self._reading: dict[Transition, bool] = {}
        self._misses: dict[Transition, int] = {}

    def __contains__(self, wait: object) -> bool:
        return wait in self._reading

    def ask(self, wait: Transition) -> None:
        """Read as soon as possible; once more if a read is under way that may be older."""
        if wait in self._reading:
            self._reading[wait] = True
        else:
            self._queue.append(wait)
            self._start()

    def forget(self, wait: Transition) -> None:
        """Drop what is kept for a wait that has ended."""
        self._misses.pop(wait, None)

    def _start(self) -> None:
        while self._queue and len(self._reading) < _AT_ONCE:
            wait = self._queue.popleft()
            if not wait.done and wait not in self._reading:
                self._reading[wait] = False
                self._spawn(self._read(wait))

    async def _read(self, wait: Transition) -> None:
        wait.reads += 1
        wait.requests += 1
        try:
            record = await self._fetch(wait.sid or wait.name)
        except (NotFound, DecodeError) as error:
            self._missed(wait, error)
        except AsyncSimError as error:
            wait.trouble = error
            self._reports.read_failed(wait)
        else:
            self._misses.pop(wait, None)
            self._reports.record_read(wait, record)
        finally:
            again = self._reading.pop(wait) and not wait.done
            if again:
                self._queue.append(wait)
        self._reports.read_over(wait, again=again)
        self._start()

    def _missed(self, wait: Transition, error: AsyncSimError) -> None:
        wait.trouble = error
        self._misses[wait] = self._misses.get(wait, 0) + 1
        if self._misses[wait] >= _MISSES:
            self._reports.read_hopeless(wait, error)
        else:
            self._reports.read_failed(wait)
