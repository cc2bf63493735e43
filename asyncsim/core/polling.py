"""When to ask, and how: single reads, sweeps, walks. Pure, so that it can be simulated.

What is not known is how long a change still takes. One that has lasted for a while will last about
as long again: among waits of that age so many settle in a second as there are waits, divided by
the age. All pauses follow from that, and none needs to know the vendor's latency.
"""

from __future__ import annotations

import math

from attrs import frozen

from asyncsim.core.settings import Watching

PAGE = 1000  # rows of the largest page both vendors give

# Requests that it is worth to know of one SIM a second sooner. Simulated (`waiting` among the
# benchmarks): half of it doubles the delays at 1,000 SIMs, twice as much the requests.
_WORTH = 0.2
# Callbacks that get lost, of those that were asked for; only how often to look hangs on it.
_LOST = 0.01
_STRETCH = 4.0  # of the pause between looks while callbacks are expected and few are left
# Reads that each page of a walk must save for each second that the walk takes. Simulated: lower,
# and 10,000 SIMs among 50,000 others wait for whole walks; higher, and 100,000 that are all there
# is are read one by one.
_HASTE = 1.3
_HASTE_BUSY = 0.7  # while POSTs queue: each read would hold one of them up, a walk does not
_HASTE_AGAIN = 0.65  # where a walk follows a walk: it takes the place of a sweep as well


@frozen(kw_only=True)
class PollState:
    """What the planner knows of one product's waits."""

    pending: int
    """Waits that a sweep would tell about."""
    expecting: int
    """Those of them for which a callback may still come."""
    age: float = 0.0
    """Seconds since their changes were accepted, on average."""
    posts_pending: int = 0
    """Waits whose POST is still queued, or on its way."""
    lists: int = 1
    """Statuses that a sweep has to list."""
    by_list: bool = False
    """Whether they were asked about by list until now."""
    healthy: bool = True
    """Whether this product's status filter has told the truth so far."""


@frozen(kw_only=True)
class ListSize:
    """What walks have shown of the whole list; a guess until one came to its end."""

    pages: int = 1
    seconds: float = 0.5
    """Of a walk."""
    whole: bool = False
    """Whether this was counted."""
    basis: int = 0
    """Waits that it was guessed from."""


def project_size(pages: int, seconds: float, waits: int, seen: int) -> ListSize:
    """Guess what a walk will come to whose first pages have shown so many of the waits."""
    factor = (waits + 1) / (seen + 1)
    return ListSize(pages=math.ceil(pages * factor), seconds=_sane(seconds) * factor, basis=waits)


@frozen(kw_only=True)
class ListRequest:
    """One question about all pending SIMs."""

    scan: bool
    """Through the whole list, which also shows what has settled; else sweep the pending ones."""
    requests: int


def should_sweep(watching: Watching, now: PollState) -> bool:
    """Tell whether to ask by list rather than one by one.

    Once by list, down to the last two: they are what is left of many, and take longest.
    """
    least = min(2, watching.sweep_from) if now.by_list else watching.sweep_from
    return now.healthy and now.pending >= least


def next_list_request(now: PollState, fleet: ListSize, found: int) -> ListRequest:
    """Choose between a sweep, whose absentees must be confirmed, and a walk right away.

    `found` is how many the last look found settled: about as many will be the next time.
    """
    sweep = max(now.lists, _pages(now.pending))
    if fleet.whole and (fleet.pages <= sweep or _pays(found, fleet, _HASTE_AGAIN)):
        return ListRequest(scan=True, requests=fleet.pages)
    return ListRequest(scan=False, requests=sweep)


def list_pause(watching: Watching, now: PollState, requests: int, took: float) -> float:
    """Seconds until the next look.

    The longer, the fewer requests, and the more delay for those that settle meanwhile. Both
    together are least when the pause grows with the root of what a look costs.
    """
    unheard = now.pending - now.expecting * (1.0 - _LOST)
    age = _sane(now.age)
    best = math.sqrt(2.0 * requests * age / (_WORTH * unheard)) if unheard > 0 else math.inf
    # Callbacks make it a safety net only, unless most waits have none coming.
    calm = now.expecting * 2 > now.pending
    least = watching.safety_every if calm else watching.sweep_every
    most = least * _STRETCH if calm else max(least, watching.safety_every)
    # A fifth of the time at least is others': the vendor may grant one request at once.
    return max(min(max(best, least), most), _sane(took) / 4)


def read_pause(
    watching: Watching, reads: int, draw: float, *, expecting: bool, age: float = 0.0
) -> float:
    """Seconds until the next single read: exponential, full jitter; `draw` is in 0 to 1.

    `age` is for those that were asked about by list until now, so that they do not begin anew.
    """
    if expecting:
        return watching.safety_every
    longest = min(watching.longest, max(watching.first * 2.0 ** min(reads, 60), _sane(age) / 4))
    # Full jitter may draw almost nothing; a tenth of the first pause is the least that makes sense.
    return max(draw * longest, min(watching.first / 10, watching.longest))


def retry_pause(watching: Watching, failures: int, draw: float) -> float:
    """Seconds after which a read that failed is repeated: exponential, full jitter."""
    most = min(watching.longest, watching.first * 2.0 ** min(failures, 60))
    return max(draw * most, min(watching.first / 10, watching.longest))


def should_scan(absent: int, now: PollState, fleet: ListSize) -> bool:
    """Tell whether to walk for those that a sweep has not shown, rather than read each of them."""
    # What was guessed from a few waits says little of the many there are now: look again.
    stale = not fleet.whole and now.pending > 2 * fleet.basis
    return scan_pays(absent, now, ListSize() if stale else fleet)


def scan_pays(absent: int, now: PollState, fleet: ListSize) -> bool:
    """Tell whether one walk confirms `absent` SIMs better than a read of each.

    It has to save requests, and the more of them the longer everybody waits for its end.
    """
    return _pays(absent, fleet, _HASTE_BUSY if now.posts_pending > absent else _HASTE)


def _pays(absent: int, fleet: ListSize, haste: float) -> bool:
    return absent > fleet.pages * (1.0 + haste * _sane(fleet.seconds))


def _sane(seconds: float) -> float:
    """Take what no clock should have measured for nothing: a plan must not fail on it."""
    return seconds if 0.0 < seconds < math.inf else 0.0


def _pages(rows: int) -> int:
    return max(-(-rows // PAGE), 1)
