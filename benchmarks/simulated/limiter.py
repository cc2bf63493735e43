"""A vendor with limited concurrency, and clients that send through the concurrency limiter."""

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
    """The outcome of sending all requests."""

    seconds: float
    throttled: float
    """Throttled requests per request needed."""
    bound: float
    """Seconds for a client that always knew the limit."""

    @property
    def ratio(self) -> float:
        """Time relative to the bound."""
        return self.seconds / self.bound


@define(eq=False)
class Limited:
    """Serves up to `slots(now)` requests at once and throttles the others."""

    slots: Callable[[float], int]
    seed: int
    service: float = 0.05
    rejection: float = 0.005
    busy: int = 0
    throttled: int = 0
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Seed its random durations."""
        self._draw = random.Random(self.seed)

    async def serve(self) -> bool:
        """Serve a request; False if throttled."""
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
    """Integrate the limit until all requests are served."""
    step, now, done = 0.001, 0.0, 0.0
    while done < requests:
        done += slots(now) * step / service
        now += step
    return now


async def fan_out(
    requests: Sequence[int], slots: Callable[[float], int], *, seed: int = 1, held: int = 0
) -> Sent:
    """Send each client's share; the clients share the server and do not know its limit.

    `held`: slots that another client holds throughout.
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
