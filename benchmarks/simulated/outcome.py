"""Cost and delay of waiting for all SIMs of one job."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from benchmarks.simulated.vendor import Vendor


@frozen(kw_only=True)
class Waited:
    """Figures per SIM, beyond its POST."""

    sims: int
    others: int
    reads: float
    pages: float
    requests: float
    slot_seconds: float
    p50: float
    """Seconds from the end of a change until it is reported."""
    p99: float
    worst: float
    seconds: float
    """Seconds from the first POST until the last end is reported."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def waited(vendor: Vendor, known: dict[str, float]) -> Waited:
    """Summarize; `known` has the time at which each SIM's end was reported."""
    assert known.keys() == vendor.settled.keys(), "a SIM was missed"
    delays = [moment - vendor.settled[sid] for sid, moment in known.items()]
    assert min(delays) >= 0, "reported before it settled"
    meter, sims = vendor.meter, len(known)
    return Waited(
        sims=sims,
        others=vendor.others,
        reads=meter.reads / sims,
        pages=meter.pages / sims,
        requests=meter.requests / sims,
        slot_seconds=meter.slot_seconds / sims,
        p50=percentile(delays, 50),
        p99=percentile(delays, 99),
        worst=max(delays),
        seconds=max(known.values()),
    )
