"""The adaptive concurrency limit: how many requests may be in flight.

A refusal tells that what is in flight and accepted is all there is, so the limit falls to just
under it. Growth speeds up with the time since the last refusal: soon after one the limit creeps
around the bound, later it must have moved, so it is looked for faster. Before the first refusal
the limit doubles with each round of answers.
"""

from __future__ import annotations

import math

from asyncsim.core.settings import Throttle

# Of what is accepted. Simulated: halving with a pause took 1.3 to 1.6 times as long as the bound.
_BACKOFF = 0.95
# What a whole round of answers adds: at once, and with the square of the seconds since the last
# refusal. Simulated at 100 slots: 1.04 times the bound and 0.5 % refused; with time alone, a limit
# that had fallen to 20 for a while and risen again took 1.20 times the bound, with its square 1.08.
_CREEP, _HASTE = 0.5, 36.0
_PAUSES = (0.25, 30.0)  # seconds: the first and the longest stop when even the minimum is refused


class AdaptiveLimit:
    """Counts what is in flight; times are the caller's clock."""

    __slots__ = (
        "_minimum",
        "_paused_times",
        "_paused_until",
        "_slow",
        "ceiling",
        "in_flight",
        "throttled_at",
        "value",
    )

    def __init__(self, settings: Throttle, *, ceiling: float, slow: float = 7.5) -> None:
        # The settings themselves are not kept: gates are found by them, and must not keep them.
        self.ceiling = max(1.0, min(float(settings.maximum), ceiling))
        self._minimum = min(float(settings.minimum), self.ceiling)
        self.value = max(self._minimum, min(float(settings.limit), self.ceiling))
        self.in_flight = 0
        self.throttled_at: float | None = None
        self._slow = slow
        self._paused_times = 0
        self._paused_until = -math.inf

    def cap(self, ceiling: float) -> None:
        """Lower the ceiling, for a client whose connector allows fewer."""
        self.ceiling = max(1.0, min(self.ceiling, ceiling))
        self._minimum = min(self._minimum, self.ceiling)
        self.value = min(self.value, self.ceiling)

    @property
    def has_room(self) -> bool:
        """Whether one more may start."""
        return self.in_flight < int(self.value)

    def started(self) -> None:
        """One more is in flight."""
        self.in_flight += 1

    def abandoned(self) -> None:
        """One ended in a way that tells nothing about the limit."""
        self.in_flight -= 1

    def accepted(self, now: float, seconds: float) -> None:
        """One was carried out, in that many seconds."""
        busy = self.in_flight + 1 >= int(self.value)
        self.in_flight -= 1
        self._paused_times = 0
        # Answers slower than a quarter of the request's timeout: the server queues instead of
        # refusing, and more at once would only make them time out.
        if not busy or seconds > self._slow or self.value >= self.ceiling:
            return
        self.value = min(self.ceiling, self.value + self._step(now))

    def _step(self, now: float) -> float:
        if self.throttled_at is None:
            return 1.0
        since = now - self.throttled_at
        return min(1.0, (_CREEP + _HASTE * since * since) / self.value)

    def throttled(self, now: float) -> float:
        """One was refused (429); returns the seconds for which everyone should pause, mostly 0."""
        self.in_flight -= 1
        self.throttled_at = now
        at_minimum = self.value <= self._minimum or self.in_flight == 0
        self._fall()
        return self._pause(now) if at_minimum else 0.0

    def _pause(self, now: float) -> float:
        if now < self._paused_until:
            return 0.0  # sent before the pause that is on: tells nothing new
        pause = min(_PAUSES[1], _PAUSES[0] * 2.0 ** min(self._paused_times, 60))
        self._paused_times += 1
        self._paused_until = now + pause
        return pause

    def overloaded(self, now: float) -> None:
        """One got no answer in time: slow down as after a refusal, without a pause."""
        self.in_flight -= 1
        self.throttled_at = now
        self._fall()

    def _fall(self) -> None:
        self.value = max(self._minimum, min(self.value, _BACKOFF * self.in_flight))
