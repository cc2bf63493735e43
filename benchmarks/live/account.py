"""An account: when each SIM settles, the order of its list, and request counts."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator

from attrs import define, field, frozen

from benchmarks.simulated.vendor import Costs
from benchmarks.stub.responses import sid

PAGE = 1000
_COUNTED = ("POST", "GET", "list", "rows", "throttled")


@frozen(kw_only=True)
class Pace(Costs):
    """Simulated durations in model time, and the model seconds per real second."""

    faster: float = 1.0
    phases: tuple[tuple[float, int], ...] = ((0.0, 100),)
    """(model seconds since the first request, concurrency limit from then on)."""

    def slots(self, seconds: float) -> int:
        """The concurrency limit, `seconds` real seconds after the first request."""
        return [many for start, many in self.phases if start <= seconds * self.faster][-1]


@define(eq=False)
class Account:
    """SIMs by number: those below `ours` are updated, the others only lengthen the list."""

    ours: int
    others: int
    pace: Pace
    seed: int = 1
    busy: int = 0
    meter: dict[str, int] = field(factory=lambda: dict.fromkeys(_COUNTED, 0))
    settled: dict[str, float] = field(factory=dict)
    """Times on the monotonic clock that all processes of a machine share."""
    _order: list[str] = field(init=False)
    _began: float | None = None
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Shuffle the order of the list."""
        self._draw = random.Random(self.seed)
        self._order = [sid(number) for number in range(self.ours + self.others)]
        self._draw.shuffle(self._order)

    def enter(self) -> bool:
        """Take a slot; False if none is free."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if self.busy >= self.pace.slots(now - self._began):
            self.meter["throttled"] += 1
            return False
        self.busy += 1
        return True

    def update(self, name: str) -> None:
        """Accept a change."""
        self.meter["POST"] += 1
        takes = self._draw.lognormvariate(math.log(self.pace.median), self.pace.sigma)
        self.settled[name] = time.monotonic() + takes / self.pace.faster

    def status(self, name: str) -> str:
        """The status of a SIM."""
        ends = self.settled.get(name)
        if ends is None:
            return "ready"
        return "scheduled" if time.monotonic() < ends else "active"

    def _listed(self, wanted: bytes) -> Iterator[tuple[str, str]]:
        # Most SIMs have no change, so the clock is read only for the others.
        shown = [(name, self.status(name)) for name in self._order if name in self.settled]
        if wanted:
            return (one for one in shown if one[1] == "scheduled")
        states = dict(shown)
        return ((name, states.get(name, "ready")) for name in self._order)

    def page(self, number: int, wanted: bytes) -> tuple[list[tuple[str, str]], bool]:
        """One page, and whether another follows."""
        self.meter["list"] += 1
        rows = list(self._listed(wanted))
        first = number * PAGE
        shown = rows[first : first + PAGE]
        self.meter["rows"] += len(shown)
        return shown, len(rows) > first + PAGE

    def seconds(self, rows: int | None = None) -> float:
        """Real seconds for a page of `rows` rows, or for any other request."""
        vary = self._draw.uniform(0.9, 1.1)
        model = self.pace.single * vary if rows is None else self.pace.page + self.pace.row * rows
        return model / self.pace.faster
