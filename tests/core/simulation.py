"""A server of limited concurrency and a client that obeys a `AdaptiveLimit`, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from attrs import define

from asyncsim.core.concurrency import AdaptiveLimit


@define
class Result:
    """What a simulation came to."""

    seconds: float
    refused: int
    highest: float
    """The limit's highest value."""


def simulate(
    limit: AdaptiveLimit,
    requests: int,
    slots: Callable[[float], int],
    *,
    service: float = 0.05,
    refusal: float = 0.005,
    seed: int = 1,
) -> Result:
    """Send that many requests to a server of `slots(now)` slots; refused ones go out again.

    `service` and `refusal` are the seconds that an answer and a refusal take, give or take a tenth.
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
            ends = now + (service if served else refusal) * draw.uniform(0.9, 1.1)
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
            result.refused += 1
            opens_at = max(opens_at, now + limit.throttled(now))
        result.highest = max(result.highest, limit.value)
    result.seconds = now
    return result
