"""Recording observer: keeps events with their times, for plots."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from asyncsim import events


class Recorder:
    """Keeps the latest events, each with the seconds since the recorder was created.

    Give it to the client, and to `bulk.run(observers=...)` as well, whose events a client does not
    see. `most` bounds its memory: the oldest events are dropped, and `dropped` counts them.
    """

    def __init__(self, most: int = 200_000, now: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError(f"most={most}: must be at least 1")
        self._events: deque[tuple[float, events.Event]] = deque(maxlen=most)
        self._now = now
        self._began = now()
        self.dropped = 0
        """Events that are no longer kept."""

    def __call__(self, event: events.Event, /) -> None:
        """Keep one event."""
        self.dropped += len(self._events) == self._events.maxlen
        self._events.append((self._now() - self._began, event))

    def __iter__(self) -> Iterator[tuple[float, events.Event]]:
        """Iterate over (seconds, event), in the order of their times."""
        return iter(list(self._events))

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        return f"<Recorder: {len(self):,} events{dropped}>"

    def clear(self) -> None:
        """Forget all events, and count seconds from now."""
        self._events.clear()
        self._began, self.dropped = self._now(), 0
