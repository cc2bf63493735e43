"""Polling plan: when to poll next, and by single reads, a sweep or a list scan.

Pure, so that it can be simulated. The remaining time of a change is unknown. One that has lasted
for a while will last about as long again: of waits of that age, as many settle per second as there
are waits, divided by the age. All pauses follow from that, without knowing the vendor's latency.
"""

from __future__ import annotations

import math

from attrs import frozen

from asyncsim.core.settings import Watching

PAGE_ROWS = 1000  # rows of the largest page at both vendors (their OpenAPI documents, `PageSize`)

# Requests that a second less delay for one SIM is worth. Simulated (`waiting` among the
# benchmarks): half of it doubles the delays at 1,000 SIMs, twice as much the requests.
_REQUESTS_PER_SECOND_SOONER = 0.2
# Share of callbacks that get lost; only determines how often sweeps look for their SIMs.
_LOST_CALLBACKS = 0.01
# The least pause between sweeps, as part of the time for which SIMs have been pending: however many
# there are, a SIM that takes ten minutes need not be found within two seconds. Simulated: SIMs that
# take 20 s are found as soon as without it; with 0.05 some are found later.
_LATER = 0.03
_STRETCH = 4.0  # times the pause between sweeps while callbacks are expected and few are left
# Reads that each page of a list scan must save for each second that the scan takes. Simulated:
# lower, and 10,000 SIMs among 50,000 others wait for whole scans; higher, and 100,000 SIMs without
# any others are read one by one.
_READS_SAVED = 1.3
_READS_SAVED_BUSY = 0.7  # while POSTs queue: each read would delay one of them, a scan does not
_READS_SAVED_AGAIN = 0.65  # after a scan: another scan replaces a sweep, too


@frozen(kw_only=True)
class PollState:
    """Inputs of the plan: one product's waits."""

    pending: int
    """Waits that a sweep covers."""
    expecting: int
    """Those of them that still expect a callback."""
    age: float = 0.0
    """Average seconds since their changes were accepted."""
    posts_pending: int = 0
    """Waits whose POST is queued or in flight."""
    lists: int = 1
    """Statuses that a sweep has to list."""
    by_list: bool = False
    """Whether sweeps have covered them until now."""
    healthy: bool = True
    """Whether sweeps work, and have been reliable so far."""


@frozen(kw_only=True)
class ListSize:
    """The length of the whole list; a projection until one scan is complete."""

    pages: int = 1
    seconds: float = 0.5
    """Seconds that a scan takes."""
    whole: bool = False
    """Whether the length was counted rather than projected."""
    basis: int = 0
    """The number of waits from which it was projected."""


@frozen(kw_only=True)
class ListRequest:
    """One way to read the status of all pending SIMs."""

    scan: bool
    """A scan of the whole list, which also shows settled SIMs; else a sweep of the pending ones."""
    requests: int


def project_size(pages: int, seconds: float, waits: int, seen: int) -> ListSize:
    """Project the size of a list from the share of the waits that its first pages have shown."""
    factor = (waits + 1) / (seen + 1)
    return ListSize(pages=math.ceil(pages * factor), seconds=_sane(seconds) * factor, basis=waits)


def should_sweep(watching: Watching, state: PollState) -> bool:
    """Tell whether to sweep rather than read one by one."""
    # Once sweeping, down to the last two: they are the rest of many, and take longest.
    least = min(2, watching.sweep_from) if state.by_list else watching.sweep_from
    return state.healthy and state.pending >= least


def next_list_request(state: PollState, size: ListSize, found: int) -> ListRequest:
    """Choose between a sweep, whose missing SIMs must be confirmed, and a list scan right away.

    `found` is how many the last one found settled: the next one will find about as many.
    """
    sweep = max(state.lists, -(-state.pending // PAGE_ROWS), 1)
    if size.whole and (size.pages <= sweep or _pays(found, size, _READS_SAVED_AGAIN)):
        return ListRequest(scan=True, requests=size.pages)
    return ListRequest(scan=False, requests=sweep)


def list_pause(watching: Watching, state: PollState, requests: int, took: float) -> float:
    """Seconds until the next list request.

    The longer the pause, the fewer requests, and the more delay for SIMs that settle meanwhile. The
    total cost is least when the pause grows with the square root of the cost of a list request.
    """
    unheard = state.pending - state.expecting * (1.0 - _LOST_CALLBACKS)
    cost = 2.0 * requests * _sane(state.age)
    best = math.sqrt(cost / (_REQUESTS_PER_SECOND_SOONER * unheard)) if unheard > 0 else math.inf
    # With callbacks it is only a safety net, unless most waits expect none.
    is_safety_net = state.expecting * 2 > state.pending
    if is_safety_net:
        least, most = watching.safety_every, watching.safety_every * _STRETCH
    else:
        least = watching.sweep_every
        most = max(least, watching.safety_every)
        best = max(best, _sane(state.age) * _LATER)
    # At most a fifth of the time is spent in lists: the vendor may allow only one request at once.
    return max(min(max(best, least), most), _sane(took) / 4)


def read_pause(
    watching: Watching, reads: int, draw: float, *, expecting: bool, age: float = 0.0
) -> float:
    """Seconds until the next single read: exponential, full jitter; `draw` is in 0 to 1.

    `age` is for waits that sweeps covered until now, so that they do not start at the first pause.
    """
    if expecting:
        return watching.safety_every
    longest = min(watching.longest, max(watching.first * 2.0 ** min(reads, 60), _sane(age) / 4))
    # Full jitter may draw almost 0; a tenth of the first pause is the useful minimum.
    return max(draw * longest, min(watching.first / 10, watching.longest))


def retry_pause(watching: Watching, failures: int, draw: float) -> float:
    """Seconds after which a read that failed is retried: exponential, full jitter."""
    most = min(watching.longest, watching.first * 2.0 ** min(failures, 60))
    return max(draw * most, min(watching.first / 10, watching.longest))


def should_scan(absent: int, state: PollState, size: ListSize) -> bool:
    """Tell whether to scan for SIMs missing in a sweep, rather than read each of them."""
    # A projection from a few waits says little about the many pending now: project again.
    outdated = not size.whole and state.pending > 2 * size.basis
    return scan_pays(absent, state, ListSize() if outdated else size)


def scan_pays(absent: int, state: PollState, size: ListSize) -> bool:
    """Tell whether one list scan confirms `absent` SIMs better than a read of each.

    It has to save requests, and more of them the longer all waits wait for its end.
    """
    busy = state.posts_pending > absent
    return _pays(absent, size, _READS_SAVED_BUSY if busy else _READS_SAVED)


def _pays(absent: int, size: ListSize, reads_saved: float) -> bool:
    return absent > size.pages * (1.0 + reads_saved * _sane(size.seconds))


def _sane(seconds: float) -> float:
    """Replace impossible measurements by 0, so that no plan fails on them."""
    return seconds if 0.0 < seconds < math.inf else 0.0
