"""How long the emulated network takes for things."""

from __future__ import annotations

import math
import random
from typing import Any

from attrs import Attribute, field, frozen

_HOUR = 3600.0
_DAY = 24 * _HOUR


def is_number(value: object) -> bool:
    """Whether it is a finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _check(instance: object, attribute: Attribute[Any], value: Any) -> None:
    if not is_number(value) or value < 0:
        raise ValueError(f"{attribute.name} is a number from 0 up, not {value!r}")


def seconds(default: float) -> float:
    """A field that holds a time, or another number that is never negative."""
    return field(default=default, validator=_check)


@frozen(kw_only=True)
class Latency:
    """Seconds, all divided by the emulator's `speed`.

    An asynchronous change takes a lognormal time: most near the median, a few much longer. KORE's
    page says "a few seconds to a minute" for Programmable Wireless; nothing is published for
    Super SIM.
    """

    transition: float = seconds(20.0)
    """Median of an asynchronous change."""
    sigma: float = seconds(0.8)
    """Spread of its logarithm; 0 makes every change take the median."""
    shortest: float = seconds(1.0)
    longest: float = seconds(600.0)
    reset: float = seconds(10.0)
    """Until the operator accepts a connectivity reset."""
    activation: float = seconds(90 * _DAY)
    """`ready` to `active` by itself: three months in the documents."""
    cancelation: float = seconds(72 * _HOUR)
    """`deactivated` to `canceled` by itself (Programmable Wireless)."""
    sending: float = seconds(2.0)
    """Until a Command has been sent for the first time, or has failed."""
    receipt: float = seconds(3.0)
    """From then until its delivery is confirmed."""
    resending: float = seconds(600.0)
    """Between two attempts to reach a device that is off the network."""
    reserving: float = seconds(1.0)
    """Until an ESimProfile is `reserving`."""
    reservation: float = seconds(15.0)
    """From then until it is `available`."""
    callback: float = seconds(0.05)
    """From the end of a change to its callback being sent."""

    def of_transition(self, seed: int, sid: str, number: int) -> float:
        """Seconds of a SIM's n-th change; independent of the order in which requests arrive."""
        draw = random.Random(f"{seed}:{sid}:{number}")  # noqa: S311  # repeatable, not secret
        seconds = self.transition * math.exp(draw.gauss(0.0, self.sigma))
        return min(max(seconds, min(self.shortest, self.transition)), self.longest)
