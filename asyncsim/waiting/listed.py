"""The waits that a sweep tells about, counted as they come and go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncsim.core.transition import Transition


class Listed:
    """Some of all waits; each bears its own mark, so that they are not kept a second time."""

    def __init__(self, waits: Iterable[Transition]) -> None:
        self._waits = waits
        self._count = 0
        self.expecting = 0
        """Those of them for which a callback may still come."""
        self._accepted = 0.0
        """The sum of the moments at which their changes were accepted."""

    def add(self, wait: Transition) -> None:
        """Count a wait whose POST was answered, or whether it expects a callback anew."""
        self.discard(wait)
        wait.in_sweep, wait.counted_as_expecting = True, wait.expects_callback
        self._count += 1
        self.expecting += wait.counted_as_expecting
        self._accepted += wait.accepted_at or 0.0

    def discard(self, wait: Transition) -> None:
        """Count it no longer, if it was."""
        if not wait.in_sweep:
            return
        self._count -= 1
        self.expecting -= wait.counted_as_expecting
        self._accepted -= wait.accepted_at or 0.0
        wait.in_sweep = False

    def age(self, now: float) -> float:
        """Seconds since their changes were accepted, on average."""
        # Never below: a sum of many moments is rounded, and so is what a journal remembers.
        return max(now - self._accepted / self._count, 0.0) if self._count else 0.0

    def __contains__(self, wait: object) -> bool:
        return isinstance(wait, Transition) and wait.in_sweep

    def __iter__(self) -> Iterator[Transition]:
        return (wait for wait in self._waits if wait.in_sweep)

    def __len__(self) -> int:
        return self._count
