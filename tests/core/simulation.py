"""A server with limited concurrency and a client with an `AdaptiveLimit`, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from attrs import define

from asyncsim.core.concurrency import AdaptiveLimit


@define
class Result:
    """The outcome of one simulation."""

    seconds: float
    throttled: int
    highest: float
    """The highest value of the limit."""


def simulate(
    limit: AdaptiveLimit,
    requests: int,
    slots: Callable[[float], int],
    *,
    service: float = 0.05,
    throttle: float = 0.005,
    seed: int = 1,
) -> Result:
    """Send `requests` requests to a server of `slots(now)` slots, and resend the throttled ones.

    `service` and `throttle` are the seconds that a response and a 429 take, plus or minus 10 %.
    """
    draw = random.Random(seed)
    order = itertools.count()
    events: list[tuple[float, int, bool]] = []
    result = Result(0.0, 0, limit.value)
    now, waiting, busy, opens_at = 0.0, requests, 0, 0.0
    while waiting or events:
        while waiting and limit.has_room and now >= opens_at:
            waiting -= 1
            limit.started()
            served = busy < slots(now)
            busy += served
            ends = now + (service if served else throttle) * draw.uniform(0.9, 1.1)
            heapq.heappush(events, (ends, next(order), served))
        if not events:
            now = opens_at
            continue
        now, _, served = heapq.heappop(events)
        if served:
            busy -= 1
            limit.accepted(now, service)
        else:
            waiting += 1
            result.throttled += 1
            opens_at = max(opens_at, now + limit.throttled(now))
        result.highest = max(result.highest, limit.value)
    result.seconds = now
    return result
