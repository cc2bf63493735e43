"""Whether sweeps may be believed, and whether they work at all for now."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from asyncsim.clock import Clock
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError
from asyncsim.events import Event, SweepingStopped
from asyncsim.vendors import Product

logger = logging.getLogger("asyncsim")

_FAILURES = 3  # looks in a row, each of many attempts
_CONTRADICTIONS = 2  # sweeps in a row whose absentees mostly turn out pending: the filter lies
_SAMPLE = 5  # absentees, or rows; fewer may have slipped between two pages
_REST = 2.0  # of `Watching.longest`: the first rest; each that follows is twice as long, up to
_LONGEST_REST = 3600.0  # seconds: a service lives for weeks, and a bad hour passes


class Trust:
    """One product's, for as long as its client lives."""

    def __init__(
        self, product: Product, clock: Clock, watching: Watching, notify: Callable[[Event], None]
    ) -> None:
        self._product = product
        self._clock = clock
        self._watching = watching
        self._notify = notify
        self._lost = False
        self._doubted: dict[Transition, bool] = {}
        """Absentees being confirmed -> whether they turned out to be pending after all."""
        self._contradictions = 0
        self._failures = 0
        self._rests_until = -math.inf
        self._rests = 0

    def __bool__(self) -> bool:
        return not self._lost and self._clock.now() >= self._rests_until

    def worked(self) -> None:
        """Take note of a look that came to its end."""
        self._failures = 0

    def failed(self, error: AsyncSimError) -> None:
        """Take note of one that did not: after a few, single reads take over for a while."""
        self._failures += 1
        if self._failures < _FAILURES:
            text = "a sweep of %s failed, the next one may not: %s"
            logger.warning(text, self._product, error)
            return
        # It may be the list alone that fails; single reads tell, and cost something only if not.
        self._failures = 0
        self._rests_until = self._clock.now() + self._watching.longest
        text = "sweeps of %s fail, single reads instead for a while: %s"
        logger.warning(text, self._product, error)

    def doubt(self, absent: list[Transition]) -> None:
        """Begin to confirm what a sweep has not shown."""
        self._doubted = dict.fromkeys(absent, False)

    def contradict(self, wait: Transition) -> None:
        """Take note that a wait is pending, which a sweep had perhaps not shown."""
        if wait in self._doubted:
            self._doubted[wait] = True

    def confirm(self) -> None:
        """Take note of a sweep that showed whoever it had to show."""
        self._contradictions = 0
        self._rests = 0

    def filtered(self, rows: int, right: int) -> None:
        """Take note of a filtered list, and how many of its rows show the status asked for."""
        wrong = rows - right
        if wrong >= _SAMPLE and wrong * 2 > rows:
            self.rest("the status filter is ignored, or lags behind")

    def weigh(self) -> None:
        """Judge the last sweep by what became of its absentees."""
        wrong, total = sum(self._doubted.values()), len(self._doubted)
        self._doubted = {}
        if total and wrong * 2 <= total:
            self._contradictions = 0
        elif total >= _SAMPLE:
            self._contradictions += 1
        if self._contradictions >= _CONTRADICTIONS:
            self.rest("SIMs missing in its answers turned out to be pending")

    def rest(self, reason: str) -> None:
        """Stop sweeping for a while, ever longer, and say so."""
        if not self:
            return
        pause = min(self._watching.longest * _REST * 2.0 ** min(self._rests, 60), _LONGEST_REST)
        self._rests += 1
        self._contradictions = 0
        self._rests_until = self._clock.now() + pause
        text = "sweeping of %s stops for %.0f s, single reads go on: %s"
        logger.warning(text, self._product, pause, reason)
        self._notify(SweepingStopped(product=self._product, reason=reason))

    def lose(self, reason: str) -> None:
        """Stop sweeping for good, and say so."""
        if not self._lost:
            self._lost = True
            logger.warning("sweeping of %s stops, single reads go on: %s", self._product, reason)
            self._notify(SweepingStopped(product=self._product, reason=reason))
