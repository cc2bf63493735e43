"""Public calls as observers see them: a start and an end, in the caller's own context."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import TracebackType

from asyncsim.events import CallEnded, CallStarted, Observer, notify

_numbers = itertools.count(1)


class Call:
    """One public call, to be used in `with`; without observers it does nothing.

    Both events are sent in the task that calls, so that an observer may set context variables at
    the start and reset them at the end.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        now: Callable[[], float],
        *,
        vendor: str,
        product: str,
        call: str,
    ) -> None:
        self._observers = observers
        self._now = now
        self._vendor = vendor
        self._product = product
        self._call = call
        self._id = 0
        self._began = 0.0

    def begin(self) -> None:
        """Report the start."""
        if self._observers:
            self._id, self._began = next(_numbers), self._now()
            started = CallStarted(
                vendor=self._vendor, product=self._product, call=self._call, id=self._id
            )
            notify(self._observers, started)

    def end(self, error: BaseException | None) -> None:
        """Report the end, and the error that the call raises."""
        if self._observers:
            ended = CallEnded(
                vendor=self._vendor,
                product=self._product,
                call=self._call,
                id=self._id,
                seconds=self._now() - self._began,
                error=None if error is None else type(error).__name__,
            )
            notify(self._observers, ended)

    def __enter__(self) -> None:
        self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(error)
