"""Figures: how far some work has come, how fast, and how its SIMs stand; for any display."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal, Protocol

from attrs import frozen

_SPAN = 15.0  # seconds over which the rate is averaged: it follows changes, and does not jitter
_STEP = 0.5

Tone = Literal["good", "bad", "plain"]


class Load(Protocol):
    """How much a client may send: its context is one."""

    @property
    def limit(self) -> float:
        """The concurrency limit."""
        ...

    @property
    def throttled(self) -> int:
        """Requests throttled with 429."""
        ...


@frozen
class Count:
    """A number with its name: `done 312`."""

    name: str
    number: float
    tone: Tone = "plain"

    def __str__(self) -> str:
        return f"{self.name} {self.number:,.0f}"


def load_counts(load: Load, before: int) -> tuple[Count, Count]:
    """The concurrency limit, and throttled requests, without those before the work began."""
    throttled = load.throttled - before
    return Count("limit", load.limit), Count("429s", throttled, "bad" if throttled else "plain")


class Phase:
    """One phase of some work: planning, sending, ..."""

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        self.name = name
        self.done = 0
        self.total: int | None = None
        self._now = now
        self._began = now()
        self._samples: deque[tuple[float, int]] = deque()

    def advance(self, done: int, total: int | None) -> None:
        """Record how many SIMs are done, of how many; None while that is unknown."""
        now = self._now()
        self.done, self.total = done, total
        if not self._samples or now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, done))
        while now - self._samples[0][0] > _SPAN and len(self._samples) > 1:
            self._samples.popleft()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._now() - self._began

    @property
    def rate(self) -> float:
        """SIMs per second over the last seconds; 0 while it is unknown."""
        if not self._samples:
            return 0.0
        since, then = self._samples[0]
        passed = self._now() - since
        return (self.done - then) / passed if passed >= _STEP else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Remaining seconds; None while they are unknown."""
        rate = self.rate
        if self.total is None or rate <= 0 or self.done >= self.total:
            return None
        return (self.total - self.done) / rate


@frozen(kw_only=True)
class Figures:
    """What a display shows at one moment."""

    phase: str | None
    """None before the first phase, between two, and at the end."""
    done: int = 0
    total: int | None = None
    rate: float = 0.0
    seconds_left: float | None = None
    counts: tuple[Count, ...] = ()

    @classmethod
    def of(cls, phase: Phase | None, counts: tuple[Count, ...]) -> Figures:
        """Take the figures of a phase."""
        if phase is None:
            return cls(phase=None, counts=counts)
        return cls(
            phase=phase.name,
            done=phase.done,
            total=phase.total,
            rate=phase.rate,
            seconds_left=phase.seconds_left,
            counts=counts,
        )

    def words(self) -> Iterator[str]:
        """The figures of the phase: `312/1,000`, `31%`, `40/s`, `0:00:17 left`."""
        yield f"{self.done:,}/{self.total:,}" if self.total else f"{self.done:,}"
        if self.total:
            yield f"{100 * self.done // self.total}%"  # never 100 before the last SIM
        if self.rate:
            yield f"{self.rate:,.0f}/s"
        if self.seconds_left is not None:
            yield f"{timedelta(seconds=round(self.seconds_left))} left"

    def line(self) -> str:
        """All of it on one line."""
        phase = [f"{self.phase}:", *self.words()] if self.phase is not None else []
        return "  ".join([*phase, *map(str, self.counts)])
