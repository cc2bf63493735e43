"""The progress of `update_many`: figures for any display. Imported only when it is displayed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from asyncsim.displays import Count, Figures, Load, Phase, load_counts
from asyncsim.errors import TransitionTimeout
from asyncsim.resources.outcome import Outcome


class PendingChanges(Protocol):
    """The fan-out that is shown."""

    @property
    def sending(self) -> int:
        """Changes without a response."""
        ...

    @property
    def accepted(self) -> int:
        """Changes that have not settled."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether all changes have ended."""
        ...


class UpdateProgress:
    """Counts outcomes; the words for states are those of bulk jobs."""

    def __init__(
        self,
        changes: PendingChanges,
        total: int | None,
        load: Load,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changes = changes
        self._load = load
        self._throttled_before = load.throttled
        self._phase = Phase("updating", now)
        self._phase.advance(0, total)
        self._ended: Counter[str] = Counter()

    def add(self, outcome: Outcome[Any]) -> None:
        """Count an outcome."""
        timed_out = isinstance(outcome.error, TransitionTimeout)
        self._ended["done" if outcome.ok else "timed out" if timed_out else "failed"] += 1
        self._phase.advance(self._phase.done + 1, self._phase.total)

    def on_line(self, listener: Callable[[str], object]) -> None:
        """Do nothing: there is only one phase."""

    def figures(self) -> Figures:
        """Changes by state, the concurrency limit, and throttled requests."""
        counts = (
            Count("sending", self._changes.sending),
            Count("accepted", self._changes.accepted),
            Count("timed out", self._ended["timed out"], "bad"),
            Count("done", self._ended["done"], "good"),
            Count("failed", self._ended["failed"], "bad"),
        )
        shown = tuple(count for count in counts if count.number)
        return Figures.of(self._phase, (*shown, *load_counts(self._load, self._throttled_before)))

    def ending(self, error: BaseException | None) -> str:
        """How it ended, and how it goes on."""
        ended, seconds = self._phase.done, f"after {self._phase.seconds:.1f} s"
        if self._changes.is_done:
            return f"ended {seconds}: {self._ended['done']:,} of {ended:,} SIMs are at their target"
        of = f" of {self._phase.total:,}" if self._phase.total is not None else ""
        # The vendors accept the status that a SIM has, and change nothing.
        return (
            f"stopped {seconds}: {ended:,}{of} SIMs have ended, the others are in .unfinished."
            " Running it again goes on: SIMs at their target stay there"
        )
