"""Events of one watcher's waits: their start, their end, undocumented statuses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypedDict

from asyncsim.calls import Call
from asyncsim.clock import Clock
from asyncsim.core.transition import Transition
from asyncsim.events import (
    Event,
    Observer,
    UnknownStatus,
    WaitAbandoned,
    WaitSettled,
    WaitStarted,
    notify,
)
from asyncsim.kind import Kind

logger = logging.getLogger("asyncsim")

_UNKNOWN_STATUSES = 20  # reported at most: a vendor that invents statuses must not fill the log


class _Labels(TypedDict):
    vendor: str
    product: str
    resource: str


class WaitEvents:
    """Builds the events, if there are observers, and notifies them."""

    def __init__(
        self, kind: Kind[Any], vendor: str, observers: Sequence[Observer], clock: Clock
    ) -> None:
        self._kind = kind
        self._labels: _Labels = {"vendor": vendor, "product": kind.product, "resource": kind.key}
        self._observers = observers
        self._clock = clock
        self._unknown_statuses: set[str] = set()

    def notify(self, event: Event) -> None:
        """Notify the observers."""
        if self._observers:
            notify(self._observers, event)

    def call(self, name: str) -> Call:
        """Build the frame of work for all waits."""
        product, resource = self._kind.product, self._kind.key
        return Call(
            self._observers,
            self._clock.now,
            vendor=self._labels["vendor"],
            product=product,
            call=f"{resource}.{name}",
        )

    # A wait is identified by its address, which costs no memory while 100,000 are pending.

    def started(self, wait: Transition) -> None:
        """Report a new wait."""
        if self._observers:
            self.notify(WaitStarted(name=wait.name, wait=id(wait), **self._labels))

    def settled(self, wait: Transition) -> None:
        """Report that a wait ended, with a record or with an error."""
        if self._observers:
            event = WaitSettled(
                name=wait.label,
                settled_by=wait.settled_by,
                seconds=self._clock.now() - wait.started,
                requests=wait.requests,
                error=type(wait.error).__name__ if wait.error else None,
                wait=id(wait),
                **self._labels,
            )
            self.notify(event)

    def abandoned(self, wait: Transition) -> None:
        """Report that a wait was dropped."""
        if self._observers:
            # An event of its own: a `WaitSettled` with an error would count as a failed change.
            took = self._clock.now() - wait.started
            event = WaitAbandoned(name=wait.label, seconds=took, wait=id(wait), **self._labels)
            self.notify(event)

    def check_status(self, record: Any) -> None:
        """Report an undocumented status, once: it counts as pending and may be final."""
        status, reported = record.status, self._unknown_statuses
        if status is None or status in self._kind.statuses or status in reported:
            return
        if len(reported) < _UNKNOWN_STATUSES:
            reported.add(status)
            text = (
                "%s has the undocumented status %r, which counts as pending;"
                " if it is final, pass Watching(final={%r})"
            )
            logger.warning(text, record.sid, status, status)
            vendor, product = self._labels["vendor"], self._kind.product
            self.notify(
                UnknownStatus(vendor=vendor, product=product, name=record.sid, status=status)
            )
