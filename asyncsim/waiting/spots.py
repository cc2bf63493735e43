"""Whether lists lag: of the SIMs that a list calls pending, one is read by itself now and then.

An index may show SIMs as pending for long after they have settled. Nothing in such a list says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from asyncsim.core.transition import Transition

_EVERY = 4  # looks; each of them costs a request or more


class Spots:
    """Those of one watcher's lists."""

    def __init__(self, read: Callable[[Transition], None]) -> None:
        self._read = read
        self._looks = 0
        self._one: Transition | None = None
        self._settled: str | None = None

    def begin(self) -> None:
        """Take note that a list is about to be asked for."""
        one = self._one
        has_settled = one is not None and one.done and one.settled_by is not None
        self._settled = one.sid if one is not None and has_settled else None
        if one is None or one.done:
            self._one = None

    def contradict(self, pending: Collection[str]) -> bool:
        """Whether it calls the SIM pending that had settled before."""
        return self._settled is not None and self._settled in pending

    def choose(self, pending: Sequence[Transition]) -> None:
        """Read one of those that it calls pending."""
        self._looks += 1
        if self._one is None and pending and self._looks % _EVERY == 0:
            self._one = pending[self._looks % len(pending)]
            self._read(self._one)
