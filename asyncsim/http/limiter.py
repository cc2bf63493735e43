"""Concurrency limiter: how many requests are in flight, and who gets the next slot.

One per `Throttle`, so clients that share the object share the limit. Urgent requests (sweeps, and
reads that unblock waits) go first, but never so many in a row that the others starve; a throttled
request goes back to the front of its queue.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable
from weakref import WeakKeyDictionary

from asyncsim.clock import Clock, Timer
from asyncsim.core.concurrency import AdaptiveLimit
from asyncsim.core.settings import Throttle
from asyncsim.errors import ConfigurationError

if TYPE_CHECKING:  # imported on first use
    from asyncsim.core.shared_limit import LeasedLimit

try:
    import resource
except ImportError:  # pragma: no cover  # Windows has no such limit
    resource = None  # type: ignore[assignment]  # None means absent


_URGENT_IN_A_ROW = 4  # hundreds of reads may wait at once, and others have deadlines too

Waiter: TypeAlias = asyncio.Future[None]
"""Done once its request has a slot; fails with `SlotTimeout`."""


class SlotTimeout(Exception):  # internal: the sender makes it a QueueTimeout that names the request
    """No slot was free before the deadline, or the waiter was rejected."""


class PauseTooLong(SlotTimeout):
    """The vendor asked all requests to pause for longer than this one may wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        """From now until the pause ends."""


def open_file_limit() -> float:
    """How many files this process may open."""
    if resource is None:  # pragma: no cover
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft


def reject(waiters: Iterable[Waiter]) -> None:
    """End these waits with `SlotTimeout`."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(SlotTimeout())


@runtime_checkable
class SharedLimit(Protocol):
    """A limit that several processes share: `asyncsim.PostgresLimit`."""

    def attach(
        self, account: str, limiter: ConcurrencyLimiter, clock: Clock
    ) -> Callable[[], Awaitable[None]]:
        """Share a limiter's limit from now on; returns the call that ends it."""
        ...


class ConcurrencyLimiter:
    """Slots for requests in flight; fair, bounded in time, cancellable."""

    def __init__(self, settings: Throttle, clock: Clock, *, ceiling: float, slow: float) -> None:
        # Each request needs a file descriptor for its connection. A quarter leaves room for the
        # rest of the program, and for connections that are closed but not yet gone.
        ceiling = min(ceiling, open_file_limit() / 4)
        self.limit = AdaptiveLimit(settings, ceiling=ceiling, slow=slow)
        self.lease: LeasedLimit | None = None
        """The limit, if other processes share it."""
        self._clock = clock
        self.loop = asyncio.get_running_loop()
        self._urgent: deque[Waiter] = deque()
        self._normal: deque[Waiter] = deque()
        self._urgent_in_a_row = 0
        self._paused_until = -math.inf
        self._vendor_pause_until = -math.inf
        """The part of it that a Retry-After requested; our own pauses are short."""
        self._latest_start: dict[Waiter, float] = {}
        """Waiter -> when a pause must have ended for its request to be worth queueing."""
        self._spacing = 1.0 / settings.max_rps if settings.max_rps else 0.0
        self._next_start = -math.inf
        self._timer: tuple[float, Timer] | None = None

    def try_acquire(self) -> bool:
        """Take a slot if one is free and no waiter is queued."""
        if self._urgent or self._normal or not self._may_start():
            return False
        self._start()
        return True

    async def acquire(
        self,
        deadline: float,
        *,
        urgent: bool = False,
        front: bool = False,
        group: set[Waiter] | None = None,
        latest: float = math.inf,
    ) -> None:
        """Wait for a slot; `SlotTimeout` at the deadline (of the clock), or by `reject`.

        `PauseTooLong` at once when the vendor asks for a pause beyond the deadline, or `latest`.
        While it waits it is in `group`, which `reject` can end together.
        """
        now, latest = self._clock.now(), min(deadline, latest)
        if now >= deadline:
            raise SlotTimeout
        if self._vendor_pause_until > max(latest, now):
            raise PauseTooLong(self._vendor_pause_until - now)
        waiter: Waiter = self.loop.create_future()
        self._latest_start[waiter] = latest
        if group is not None:
            group.add(waiter)
        queue = self._urgent if urgent else self._normal
        (queue.appendleft if front else queue.append)(waiter)
        self._start_waiters()
        timer = self._clock.call_at(deadline, partial(reject, [waiter]))
        try:
            await waiter
        except asyncio.CancelledError:
            # Cancelled in the loop turn in which it was given a slot, which would be lost.
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                self.release()
            raise
        finally:
            timer.cancel()
            if group is not None:
                group.discard(waiter)
            del self._latest_start[waiter]
            self._drop_finished()
            if not self._urgent and not self._normal:
                self._cancel_timer()

    def release(self, seconds: float | None = None, now: float | None = None) -> None:
        """Release a slot; `seconds` if the request was carried out, by `now`."""
        if seconds is None:
            self.limit.abandoned()
        else:
            self.limit.accepted(self._clock.now() if now is None else now, seconds)
        if self._urgent or self._normal:
            self._start_waiters()

    def throttled(self, retry_after: float | None) -> None:
        """Release a slot after a 429; all requests pause only on Retry-After or at the minimum."""
        self.pause(self.limit.throttled(self._clock.now()), retry_after or 0.0)

    def pause(self, seconds: float, retry_after: float) -> None:
        """Let all requests pause, because a Retry-After requested it or for another reason."""
        now = self._clock.now()
        self._paused_until = max(self._paused_until, now + max(seconds, retry_after))
        if retry_after and now + retry_after > self._vendor_pause_until:
            self._vendor_pause_until = now + retry_after
            # Waiters whose deadline is before the end of the pause fail now: their callers need not
            # wait for a slot that cannot come in time.
            for waiter, latest in self._latest_start.items():
                if latest < self._vendor_pause_until and not waiter.done():
                    waiter.set_exception(PauseTooLong(retry_after))
        self._start_waiters()

    @property
    def vendor_pause(self) -> float:
        """Seconds until the end of the pause that a Retry-After requested."""
        return max(0.0, self._vendor_pause_until - self._clock.now())

    @property
    def queued(self) -> int:
        """Requests that wait for a slot."""
        return len(self._latest_start)

    def share(self, changed: Callable[[], None]) -> LeasedLimit:
        """Use a limit that other processes share; `changed` is called when it should report."""
        from asyncsim.core.shared_limit import LeasedLimit

        if self.lease is not None:
            self.unshare(self.lease)
        self.limit = self.lease = LeasedLimit(self.limit, changed)
        return self.lease

    def unshare(self, lease: LeasedLimit) -> None:
        """Let the limit adapt alone again, from where it is; leaves a later share alone."""
        lease.alone()
        if self.lease is lease:
            self.lease = None

    def timed_out(self) -> None:
        """Release a slot after a response that did not come in time."""
        self.limit.overloaded(self._clock.now())
        self._start_waiters()

    def _may_start(self) -> bool:
        if not self.limit.has_room:
            return False
        # The clock is read only if there is a reason to wait: this runs with every request.
        held_up = self._spacing or self._paused_until > -math.inf
        return not held_up or self._clock.now() >= max(self._paused_until, self._next_start)

    def _start(self) -> None:
        self.limit.started()
        if self._spacing:
            now = self._clock.now()
            # Timers fire late; this compensates, or the rate would stay below `max_rps`. Time
            # in which no request was waiting is not credited, or a burst would follow.
            late = now - self._next_start < self._spacing
            self._next_start = (self._next_start if late else now) + self._spacing

    def _start_waiters(self) -> None:
        while (queue := self._next_queue()) and self._may_start():
            self._urgent_in_a_row = self._urgent_in_a_row + 1 if queue is self._urgent else 0
            self._start()
            queue.popleft().set_result(None)
        if queue and self.limit.has_room:  # only time is missing
            when = max(self._paused_until, self._next_start)
            if self._timer is None or self._timer[0] != when:
                self._cancel_timer()
                self._timer = (when, self._clock.call_at(when, self._on_timer))

    def _next_queue(self) -> deque[Waiter]:
        """Return the queue to serve next; an empty one if there are no waiters."""
        self._drop_finished()
        if not self._urgent or (self._normal and self._urgent_in_a_row >= _URGENT_IN_A_ROW):
            return self._normal
        return self._urgent

    def _drop_finished(self) -> None:
        for queue in (self._urgent, self._normal):
            while queue and queue[0].done():  # cancelled, rejected, or out of time
                queue.popleft()

    def _on_timer(self) -> None:
        self._timer = None
        self._start_waiters()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None


# Weak, so that a limiter goes with its Throttle: a program may make one for each account it meets.
_limiters: WeakKeyDictionary[Throttle, ConcurrencyLimiter] = WeakKeyDictionary()


def shared_limiter(
    settings: Throttle, clock: Clock, *, ceiling: float, slow: float
) -> ConcurrencyLimiter:
    """Return the limiter of a Throttle, shared by all clients that were given the object."""
    limiter = _limiters.get(settings)
    # Requests that were in flight in a closed loop (an earlier asyncio.run) never release slots.
    if limiter is None or limiter.loop.is_closed():
        limiter = ConcurrencyLimiter(settings, clock, ceiling=ceiling, slow=slow)
        _limiters[settings] = limiter
    if limiter.loop is not asyncio.get_running_loop():
        raise ConfigurationError(
            "this Throttle is in use in another event loop; give each loop a Throttle of its own"
        )
    limiter.limit.cap(ceiling)
    return limiter
