"""When to ask, and how: single reads, sweeps, walks. Pure, so that it can be simulated."""

from __future__ import annotations

from attrs import frozen

from asyncsim.core.settings import Watching

PAGE = 1000  # rows of the largest page both vendors give


@frozen(kw_only=True)
class Situation:
    """What the planner knows of one product's waits."""

    pending: int
    """Waits that a sweep would tell about."""
    expecting: int
    """Those of them for which a callback may still come."""
    trusted: bool = True
    """Whether this product's status filter has told the truth so far."""


def sweeps(watching: Watching, now: Situation) -> bool:
    """Tell whether asking by list is cheaper than one by one."""
    return now.trusted and now.pending >= watching.sweep_from


def sweep_pause(watching: Watching, now: Situation, took: float) -> float:
    """Seconds until the next sweep; one never takes more than half of the time.

    Callbacks make sweeps a safety net only, unless most waits have none coming.
    """
    calm = now.expecting * 2 > now.pending
    return max(watching.safety_every if calm else watching.sweep_every, took)


def read_pause(watching: Watching, reads: int, draw: float, *, expecting: bool) -> float:
    """Seconds until the next single read: exponential, full jitter; `draw` is in 0 to 1."""
    if expecting:
        return watching.safety_every
    longest = min(watching.longest, watching.first * 2.0 ** min(reads, 60))
    # Full jitter may draw almost nothing; a tenth of the first pause is the least that makes sense.
    return max(draw * longest, min(watching.first / 10, watching.longest))


def walk_instead(absent: int, population: int | None) -> bool:
    """Tell whether one walk of the whole list confirms `absent` SIMs cheaper than reading each.

    `population` is what the last walk counted, at least; unknown before the first.
    """
    pages = 1 if population is None else -(-population // PAGE)
    return absent > max(pages, 1)
