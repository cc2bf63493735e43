"""A vendor of limited concurrency, and clients that send through the concurrency limiter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.settings import Throttle
from asyncsim.http.limiter import ConcurrencyLimiter

_DEADLINE = 1e6


@frozen(kw_only=True)
class Sent:
    """What sending them all came to."""

    seconds: float
    throttled: float
    """Of the requests that were needed."""
    bound: float
    """Seconds that a client would take that knew the limit at any moment."""

    @property
    def ratio(self) -> float:
        """Of time to bound."""
        return self.seconds / self.bound


@define(eq=False)
class Limited:
    """Serves as many at once as `slots` says, and rejects the others."""

    slots: Callable[[float], int]
    seed: int
    service: float = 0.05
    rejection: float = 0.005
    busy: int = 0
    throttled: int = 0
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make its moods repeatable."""
        self._draw = random.Random(self.seed)

    async def serve(self) -> bool:
        """Serve a request; False if it was throttled."""
        vary = self._draw.uniform(0.9, 1.1)
        if self.busy >= self.slots(SYSTEM_CLOCK.now()):
            self.throttled += 1
            await asyncio.sleep(self.rejection * vary)
            return False
        self.busy += 1
        await asyncio.sleep(self.service * vary)
        self.busy -= 1
        return True


async def _send(server: Limited, limiter: ConcurrencyLimiter) -> None:
    again = False
    while True:
        await limiter.acquire(_DEADLINE, front=again)
        began = SYSTEM_CLOCK.now()
        if await server.serve():
            limiter.release(SYSTEM_CLOCK.now() - began)
            return
        limiter.throttled(None)
        again = True


def bound_of(requests: int, slots: Callable[[float], int], service: float = 0.05) -> float:
    """Integrate the limit until so many are served."""
    step, now, done = 0.001, 0.0, 0.0
    while done < requests:
        done += slots(now) * step / service
        now += step
    return now


async def fan_out(
    requests: Sequence[int], slots: Callable[[float], int], *, seed: int = 1, held: int = 0
) -> Sent:
    """Send so many for each of some clients, which share the server and know nothing of its limit.

    `held`: slots that another client holds all the time.
    """
    server = Limited(lambda now: slots(now) - held, seed)
    async with asyncio.TaskGroup() as tasks:
        for number in requests:
            limiter = ConcurrencyLimiter(Throttle(), SYSTEM_CLOCK, ceiling=1024, slow=7.5)
            for _ in range(number):
                tasks.create_task(_send(server, limiter))
    total = sum(requests)
    return Sent(
        seconds=SYSTEM_CLOCK.now(),
        throttled=server.throttled / total,
        bound=bound_of(total, server.slots),
    )
