"""Polling plan: when to poll next, and by single reads, a sweep or a list scan.

Pure, so that it can be simulated. How long a change still takes is not known. One that has lasted
for a while will last about as long again: of waits of that age, as many settle in a second as there
are waits, divided by the age. All pauses follow from that, and none needs the vendor's latency.
"""

from __future__ import annotations

import math

from attrs import frozen

from asyncsim.core.settings import Watching

PAGE_ROWS = 1000  # of the largest page at both vendors (their OpenAPI documents, `PageSize`)

# Requests that it is worth to know of one SIM a second sooner. Simulated (`waiting` among the
# benchmarks): half of it doubles the delays at 1,000 SIMs, twice as much the requests.
_REQUESTS_PER_SECOND_SOONER = 0.2
# Share of callbacks that get lost; only how often sweeps look for those depends on it.
_LOST_CALLBACKS = 0.01
_STRETCH = 4.0  # of the pause between sweeps while callbacks are expected and few are left
# Reads that each page of a list scan must save for each second that the scan takes. Simulated:
# lower, and 10,000 SIMs among 50,000 others wait for whole scans; higher, and 100,000 SIMs without
# any others are read one by one.
_READS_SAVED = 1.3
_READS_SAVED_BUSY = 0.7  # while POSTs queue: each read would hold one of them up, a scan does not
_READS_SAVED_AGAIN = 0.65  # where a scan follows a scan: it takes the place of a sweep as well


@frozen(kw_only=True)
class PollState:
    """What the plan depends on: one product's waits."""

    pending: int
    """Waits that a sweep would tell about."""
    expecting: int
    """Those of them for which a callback may still come."""
    age: float = 0.0
    """Seconds since their changes were accepted, on average."""
    posts_pending: int = 0
    """Waits whose POST is queued or in flight."""
    lists: int = 1
    """Statuses that a sweep has to list."""
    by_list: bool = False
    """Whether they were swept for until now."""
    healthy: bool = True
    """Whether sweeps work, and have told the truth so far."""


@frozen(kw_only=True)
class ListSize:
    """How long the whole list is; a projection until one scan was read to its end."""

    pages: int = 1
    seconds: float = 0.5
    """That a scan of it takes."""
    whole: bool = False
    """Whether this was counted, rather than projected."""
    basis: int = 0
    """Waits that it was projected from."""


@frozen(kw_only=True)
class ListRequest:
    """One way to ask about all pending SIMs."""

    scan: bool
    """The whole list, which also shows what has settled; else a sweep of the pending ones."""
    requests: int


def project_size(pages: int, seconds: float, waits: int, seen: int) -> ListSize:
    """Project the size of a list whose first pages have shown so many of the waits."""
    factor = (waits + 1) / (seen + 1)
    return ListSize(pages=math.ceil(pages * factor), seconds=_sane(seconds) * factor, basis=waits)


def should_sweep(watching: Watching, state: PollState) -> bool:
    """Tell whether to sweep, rather than to read one by one."""
    # Once swept for, down to the last two: they are what is left of many, and take longest.
    least = min(2, watching.sweep_from) if state.by_list else watching.sweep_from
    return state.healthy and state.pending >= least


def next_list_request(state: PollState, size: ListSize, found: int) -> ListRequest:
    """Choose between a sweep, whose absentees must be confirmed, and a list scan right away.

    `found` is how many the last one found settled: about as many will be the next time.
    """
    sweep = max(state.lists, -(-state.pending // PAGE_ROWS), 1)
    if size.whole and (size.pages <= sweep or _pays(found, size, _READS_SAVED_AGAIN)):
        return ListRequest(scan=True, requests=size.pages)
    return ListRequest(scan=False, requests=sweep)


def list_pause(watching: Watching, state: PollState, requests: int, took: float) -> float:
    """Seconds until the next list request.

    The longer, the fewer requests, and the more delay for those that settle meanwhile. Both
    together are least when the pause grows with the root of what a list request costs.
    """
    unheard = state.pending - state.expecting * (1.0 - _LOST_CALLBACKS)
    cost = 2.0 * requests * _sane(state.age)
    best = math.sqrt(cost / (_REQUESTS_PER_SECOND_SOONER * unheard)) if unheard > 0 else math.inf
    # Callbacks make it a safety net only, unless most waits have none coming.
    is_safety_net = state.expecting * 2 > state.pending
    least = watching.safety_every if is_safety_net else watching.sweep_every
    most = least * _STRETCH if is_safety_net else max(least, watching.safety_every)
    # At most a fifth of the time is spent in lists: the vendor may grant one request at once.
    return max(min(max(best, least), most), _sane(took) / 4)


def read_pause(
    watching: Watching, reads: int, draw: float, *, expecting: bool, age: float = 0.0
) -> float:
    """Seconds until the next single read: exponential, full jitter; `draw` is in 0 to 1.

    `age` is for those that were swept for until now, so that they do not begin anew.
    """
    if expecting:
        return watching.safety_every
    longest = min(watching.longest, max(watching.first * 2.0 ** min(reads, 60), _sane(age) / 4))
    # Full jitter may draw almost nothing; a tenth of the first pause is the least that makes sense.
    return max(draw * longest, min(watching.first / 10, watching.longest))


def retry_pause(watching: Watching, failures: int, draw: float) -> float:
    """Seconds after which a read that failed is retried: exponential, full jitter."""
    most = min(watching.longest, watching.first * 2.0 ** min(failures, 60))
    return max(draw * most, min(watching.first / 10, watching.longest))


def should_scan(absent: int, state: PollState, size: ListSize) -> bool:
    """Tell whether to scan for those that a sweep has not shown, rather than read each of them."""
    # What was projected from a few waits says little of the many there are now: project anew.
    outdated = not size.whole and state.pending > 2 * size.basis
    return scan_pays(absent, state, ListSize() if outdated else size)


def scan_pays(absent: int, state: PollState, size: ListSize) -> bool:
    """Tell whether one list scan confirms `absent` SIMs better than a read of each.

    It has to save requests, and the more of them the longer all waits wait for its end.
    """
    busy = state.posts_pending > absent
    return _pays(absent, size, _READS_SAVED_BUSY if busy else _READS_SAVED)


def _pays(absent: int, size: ListSize, reads_saved: float) -> bool:
    return absent > size.pages * (1.0 + reads_saved * _sane(size.seconds))


def _sane(seconds: float) -> float:
    """Count as 0 what no clock should have measured, so that no plan fails on it."""
    return seconds if 0.0 < seconds < math.inf else 0.0
