"""Health of sweeps: whether their lists are reliable, and whether they work at present."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence

from asyncsim.clock import Clock
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.errors import AsyncSimError
from asyncsim.events import Event, SweepingStopped
from asyncsim.vendors import Product

logger = logging.getLogger("asyncsim")

_FAILURES = 3  # list requests in a row, each of many attempts
_CONTRADICTIONS = 2  # consecutive sweeps whose missing SIMs mostly turn out pending
_SAMPLE = 5  # missing SIMs, or rows; fewer may have slipped between two pages
_BREAK = 2.0  # times `Watching.longest`: the first break; each that follows is twice as long, up to
_LONGEST_BREAK = 3600.0  # seconds: a service runs for weeks, and a bad hour passes
_SPOT_CHECK_EVERY = 4  # list requests: each spot check costs a read


class SweepHealth:
    """Health of one product's sweeps, for the lifetime of its client."""

    def __init__(
        self,
        product: Product,
        vendor: str,
        clock: Clock,
        watching: Watching,
        notify: Callable[[Event], None],
    ) -> None:
        self._product = product
        self._vendor = vendor
        self._clock = clock
        self._watching = watching
        self._notify = notify
        self._stopped = False
        self._absent: dict[Transition, bool] = {}
        """Missing SIMs being confirmed -> whether they turned out to be pending after all."""
        self._contradictions = 0
        self._failures = 0
        self._break_until = -math.inf
        self._breaks = 0

    def __bool__(self) -> bool:
        return not self._stopped and self._clock.now() >= self._break_until

    def succeeded(self) -> None:
        """Record a complete list request."""
        self._failures = 0

    def failed(self, error: AsyncSimError) -> None:
        """Record a failed one: after a few, single reads take over for a while."""
        self._failures += 1
        if self._failures < _FAILURES:
            text = "a list request for %s failed and will be retried: %s"
            logger.warning(text, self._product, error)
            return
        # Perhaps only the list fails; single reads show that, and cost something only if not.
        self._failures = 0
        self._break_until = self._clock.now() + self._watching.longest
        text = "list requests for %s keep failing; polling SIM by SIM for a while: %s"
        logger.warning(text, self._product, error)

    def expect_settled(self, absent: Sequence[Transition]) -> None:
        """Start to confirm SIMs missing in a sweep."""
        self._absent = dict.fromkeys(absent, False)

    def saw_pending(self, wait: Transition) -> None:
        """Record that a wait is pending, which may have been missing in a sweep."""
        if wait in self._absent:
            self._absent[wait] = True

    def confirmed(self) -> None:
        """Record a sweep in which no SIM was missing."""
        self._contradictions = 0
        self._breaks = 0

    def check_filter(self, rows: int, right: int) -> None:
        """Judge a filtered list by how many of its rows have the requested status."""
        # KORE documents only four values for its status filter; the effect of others is unknown.
        wrong = rows - right
        if wrong >= _SAMPLE and wrong * 2 > rows:
            self.take_break("the status filter is ignored, or lags behind")

    def judge_last_sweep(self) -> None:
        """Judge the last sweep by how many of its missing SIMs are pending."""
        wrong, total = sum(self._absent.values()), len(self._absent)
        self._absent = {}
        if total and wrong * 2 <= total:
            self._contradictions = 0
        elif total >= _SAMPLE:
            self._contradictions += 1
        if self._contradictions >= _CONTRADICTIONS:
            self.take_break("SIMs missing in its responses turned out to be pending")

    def take_break(self, reason: str) -> None:
        """Stop sweeping for a while, longer each time, and say so."""
        if not self:
            return
        pause = min(self._watching.longest * _BREAK * 2.0 ** min(self._breaks, 60), _LONGEST_BREAK)
        self._breaks += 1
        self._contradictions = 0
        self._break_until = self._clock.now() + pause
        text = "stopped sweeping %s for %.0f s, polling SIM by SIM meanwhile: %s"
        logger.warning(text, self._product, pause, reason)
        self._report_stop(reason)

    def stop(self, reason: str) -> None:
        """Stop sweeping for good, and say so."""
        if not self._stopped:
            self._stopped = True
            text = "stopped sweeping %s, polling SIM by SIM from now on: %s"
            logger.warning(text, self._product, reason)
            self._report_stop(reason)

    def _report_stop(self, reason: str) -> None:
        event = SweepingStopped(vendor=self._vendor, product=self._product, reason=reason)
        self._notify(event)


class SpotChecks:
    """Detects lagging lists by sometimes reading a SIM that a list shows as pending.

    An index may show SIMs as pending long after they have settled, and nothing in such a list
    reveals that.
    """

    def __init__(self, read: Callable[[Transition], None]) -> None:
        self._read = read
        self._lists = 0
        self._checked: Transition | None = None
        self._settled_sid: str | None = None

    def begin_list(self) -> None:
        """Record that a list is about to be requested."""
        checked = self._checked
        settled = checked is not None and checked.done and checked.settled_by is not None
        self._settled_sid = checked.sid if checked is not None and settled else None
        if checked is None or checked.done:
            self._checked = None

    def contradicts(self, pending: Collection[str]) -> bool:
        """Tell whether a list shows a SIM as pending that had settled before the request."""
        return self._settled_sid is not None and self._settled_sid in pending

    def is_due(self) -> bool:
        """Count a list; tell whether one of the SIMs that it shows as pending is to be read."""
        self._lists += 1
        return self._checked is None and self._lists % _SPOT_CHECK_EVERY == 0

    def check_one_of(self, pending: Sequence[Transition]) -> None:
        """Read one of them."""
        if pending:
            self._checked = pending[self._lists % len(pending)]
            self._read(self._checked)
