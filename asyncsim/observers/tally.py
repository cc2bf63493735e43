"""Counting observer."""

from __future__ import annotations

from collections import Counter
from functools import singledispatchmethod

from asyncsim import events


class Tally:
    """Counts of each kind of event; one tally may observe several clients."""

    def __init__(self) -> None:
        self.methods: Counter[str] = Counter()
        """Requests by HTTP method, each attempt counted."""
        self.statuses: Counter[int | None] = Counter()
        """Requests by HTTP status; None where no response came."""
        self.retries: Counter[str] = Counter()
        """Retries, by reason."""
        self.settled: Counter[events.SettledBy | None] = Counter()
        """Waits that reached their target, by what showed it."""
        self.failed: Counter[str] = Counter()
        """Waits that failed, by the class name of their error."""
        self.callbacks: Counter[str] = Counter()
        """Callbacks: `signed`, `hint`, `duplicate` (one of these each), and `refused`."""
        self.sweeps = 0
        """Sweeps: rounds of list requests for pending SIMs only."""
        self.walks = 0
        """Scans of the whole list."""
        self.pages = 0
        """Pages of both."""
        self.tokens = 0
        """KORE access tokens fetched."""
        self.rows: Counter[str] = Counter()
        """State changes of bulk jobs' rows, by the new state."""
        self.warnings: Counter[str] = Counter()
        """Rare events worth investigating, by class name."""

    @property
    def requests(self) -> int:
        """Requests sent, each attempt counted."""
        return self.statuses.total()

    @property
    def limited(self) -> int:
        """Throttled requests (429)."""
        return self.statuses[429]

    @property
    def retried(self) -> int:
        """Retries."""
        return self.retries.total()

    def __call__(self, event: events.Event, /) -> None:
        """Count one event."""
        self._count(event)

    @singledispatchmethod
    def _count(self, event: object) -> None:
        self.warnings[type(event).__name__] += 1

    @_count.register
    def _(self, event: events.RequestFinished) -> None:
        self.methods[event.method] += 1
        self.statuses[event.status] += 1

    @_count.register
    def _(self, event: events.RequestRetried) -> None:
        self.retries[event.reason] += 1

    @_count.register
    def _(self, event: events.WaitSettled) -> None:
        if event.error is None:
            self.settled[event.settled_by] += 1
        else:
            self.failed[event.error] += 1

    @_count.register
    def _(
        self,
        event: events.CallStarted
        | events.CallEnded
        | events.RequestStarted
        | events.WaitStarted
        | events.WaitAbandoned,
    ) -> None:
        pass  # only results are counted

    @_count.register
    def _(self, event: events.CallbackReceived) -> None:
        kind = "duplicate" if event.duplicate else "signed" if event.signed else "hint"
        self.callbacks[kind] += 1

    @_count.register
    def _(self, event: events.CallbackRefused) -> None:
        self.callbacks["refused"] += 1

    @_count.register
    def _(self, event: events.SweepFinished) -> None:
        self.pages += event.pages
        if event.walk:
            self.walks += 1
        else:
            self.sweeps += 1

    @_count.register
    def _(self, event: events.TokenMinted) -> None:
        self.tokens += 1

    @_count.register
    def _(self, event: events.LimitChanged) -> None:
        pass  # follows from a 429, which is counted as such

    @_count.register
    def _(self, event: events.RowMoved) -> None:
        self.rows[event.state] += 1

    @_count.register
    def _(self, event: events.JobProgressed | events.JobPlanned | events.JobEnded) -> None:
        pass  # sums of what is counted here already, row by row
