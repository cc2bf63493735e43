"""Adaptive concurrency limit: how many requests may be in flight.

Vendors limit how many requests run at once, and do not publish the number (Twilio error 20429). A
429 shows that the requests accepted and in flight are the maximum, so the limit falls to just
below. Growth speeds up with the time since the last 429: soon after one the limit creeps around the
bound; later the bound must have moved, so it is searched for faster. Before the first 429 the limit
doubles with each round of responses.
"""

from __future__ import annotations

import math

from asyncsim.core.settings import Throttle

# Share of the accepted requests. Simulated: halving with a pause took 1.3 to 1.6 times as long as
# the bound.
_BACKOFF = 0.95
# Slots that a round of responses adds: at once, and with the square of the seconds since the last
# 429. Simulated at 100 slots: 1.04 times the bound and 0.5 % throttled; with time alone, a limit
# that had fallen to 20 for a while and risen again took 1.20 times the bound, with its square 1.08.
_CREEP, _ACCELERATION = 0.5, 36.0
# Seconds: the first and the longest pause when even the minimum is throttled.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0


class AdaptiveLimit:
    """Counts requests in flight; times are the caller's clock."""

    __slots__ = (
        "_paused_until",
        "_pauses",
        "ceiling",
        "in_flight",
        "minimum",
        "slow",
        "throttled_at",
        "value",
    )

    def __init__(self, settings: Throttle, *, ceiling: float, slow: float = 7.5) -> None:
        # No reference to the settings: they are the weak keys by which limiters are found.
        self.ceiling = max(1.0, min(float(settings.maximum), ceiling))
        self.minimum = min(float(settings.minimum), self.ceiling)
        self.value = max(self.minimum, min(float(settings.limit), self.ceiling))
        self.in_flight = 0
        self.throttled_at: float | None = None
        self.slow = slow
        self._pauses = 0
        """Consecutive 429s at the minimum."""
        self._paused_until = -math.inf

    def cap(self, ceiling: float) -> None:
        """Lower the ceiling, for a client whose connector allows fewer."""
        self.ceiling = max(1.0, min(self.ceiling, ceiling))
        self.minimum = min(self.minimum, self.ceiling)
        self.value = min(self.value, self.ceiling)

    @property
    def has_room(self) -> bool:
        """Whether one more request may start."""
        return self.in_flight < int(self.value)

    def started(self) -> None:
        """One more request is in flight."""
        self.in_flight += 1

    def abandoned(self) -> None:
        """One request ended in a way that says nothing about the limit."""
        self.in_flight -= 1

    def accepted(self, now: float, seconds: float) -> None:
        """One request was carried out, in that many seconds."""
        # Only a limit that was fully used has shown that it can grow.
        busy = self.in_flight + 1 >= int(self.value)
        self.in_flight -= 1
        self._pauses = 0
        # Responses slower than a quarter of the request's timeout: the server queues instead of
        # throttling, and more at once would only make them time out.
        if not busy or seconds > self.slow or self.value >= self.ceiling:
            return
        step = 1.0
        if self.throttled_at is not None:
            since = now - self.throttled_at
            step = min(1.0, (_CREEP + _ACCELERATION * since * since) / self.value)
        self.value = min(self.ceiling, self.value + step)

    def throttled(self, now: float) -> float:
        """One got a 429; returns the seconds for which all requests should pause, usually 0."""
        at_minimum = self.value <= self.minimum or self.in_flight == 1
        self.overloaded(now)
        # A request that was sent before the current pause says nothing new.
        if not at_minimum or now < self._paused_until:
            return 0.0
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._pauses, 60))
        self._pauses += 1
        self._paused_until = now + pause
        return pause

    def overloaded(self, now: float) -> None:
        """One got no response in time: slow down as after a 429, without a pause."""
        self.in_flight -= 1
        self.throttled_at = now
        self.value = max(self.minimum, min(self.value, _BACKOFF * self.in_flight))
