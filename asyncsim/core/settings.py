"""Settings of a client: frozen, validated, each with the cost of changing it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NoReturn, Self

from attrs import Attribute, evolve, field, frozen
from attrs.validators import optional


def _must_be(bound: float, *, inclusive: bool = False, whole: bool = False) -> Any:
    kind = "a whole number" if whole else "a number"
    words = f"{kind} {'of at least' if inclusive else 'above'} {bound:g}"

    def check(owner: object, attribute: Attribute[Any], value: Any) -> None:
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        # Not finite: a deadline that never comes, or cannot be compared.
        if not number or not math.isfinite(value) or value < bound:
            _reject(owner, attribute, value, words)
        if value == bound and not inclusive:
            _reject(owner, attribute, value, words)

    return check


def _reject(owner: object, attribute: Attribute[Any], value: object, words: str) -> NoReturn:
    raise ValueError(f"{type(owner).__name__}({attribute.name}={value!r}): must be {words}")


def _words(value: Collection[str]) -> frozenset[str]:
    words = frozenset(() if isinstance(value, str) else value)
    if isinstance(value, str) or not all(isinstance(one, str) and one.strip() for one in words):
        raise ValueError(
            f"Watching(final={value!r}): pass a set of statuses, such as {{'retired'}}"
        )
    return words


# Seconds; the shortest pauses for a fast emulator, as requests take as long at any speed. Shorter,
# and 1,000 SIMs are swept without a break, and reads overtake callbacks.
_LEAST_PAUSE, _LEAST_SAFETY = 0.05, 0.5

_POSITIVE = _must_be(0)
_NOT_NEGATIVE = _must_be(0, inclusive=True)
_ONE_OR_MORE = _must_be(1, inclusive=True)
_COUNT = _must_be(1, inclusive=True, whole=True)


@frozen(kw_only=True)
class Timeout:
    """Timeouts in seconds; separate, so that queueing does not use up the time of a request."""

    request: float = field(default=30.0, validator=_POSITIVE)
    """One request, from the moment it has a slot to the last byte of the response. If you lower it,
    slow responses become ambiguous, and each costs a read."""
    connect: float = field(default=5.0, validator=_POSITIVE)
    """Connecting to the server, as part of `request`."""
    queue: float = field(default=600.0, validator=_POSITIVE)
    """Waiting for slots, over all attempts of a call, 429s included; other attempts and the pauses
    after them do not count. When it expires, the call raises `QueueTimeout`."""


@frozen(kw_only=True)
class RetryPolicy:
    """How often and after which pauses a failed request is retried; 429s use up no attempt."""

    attempts: int = field(default=6, validator=_COUNT)
    """Requests per call, the first included; 1 switches retries off."""
    base: float = field(default=0.25, validator=_NOT_NEGATIVE)
    """Seconds; the n-th pause is drawn from 0 to base * 2**(n-1) (full jitter)."""
    cap: float = field(default=30.0, validator=_NOT_NEGATIVE)
    """Seconds; the longest pause, unless the server's Retry-After is longer."""
    longest_pause: float = field(default=300.0, validator=_NOT_NEGATIVE)
    """Seconds; for a longer Retry-After the error is raised at once, with
    `.retry_after`. Higher: calls survive longer outages, and take longer."""

    def pause(self, failures: int, draw: float, told: float | None = None) -> float:
        """Seconds to wait after that many failures; `draw` is uniform in 0 to 1.

        `told` is the response's Retry-After.
        """
        if told:
            return told
        bound = min(self.cap, self.base * 2.0 ** min(failures - 1, 60))
        if told is None:
            return draw * bound
        # Zero: retry now, but thousands of requests may have been told the same.
        return max(min(self.base, self.cap), draw * bound)


@frozen(kw_only=True, eq=False)
class Throttle:
    """The adaptive concurrency limit of one account.

    Vendors limit how many requests run at once and do not publish the number, so it is probed: the
    limit grows while requests are accepted, and on a 429 falls to just below the accepted number.
    Clients that get the same object share one limit: do that if they use the same account.
    """

    limit: float = field(default=64, validator=_ONE_OR_MORE)
    """Requests at once at the start; kept between `minimum` and `maximum`."""
    minimum: int = field(default=1, validator=_COUNT)
    """Never fewer than this, except where a connector allows fewer. Higher: more 429s while the
    vendor has little room; at the minimum each 429 makes all requests pause."""
    maximum: int = field(default=1024, validator=_COUNT)
    """Never more than this; also capped by the connector limit of a session that you pass, and by a
    quarter of the files that this process may open."""
    max_rps: float | None = field(default=None, validator=optional(_POSITIVE))
    """An additional cap on requests per second; None: no cap."""

    def __attrs_post_init__(self) -> None:
        """Reject a minimum above the maximum."""
        if self.minimum > self.maximum:
            raise ValueError(f"Throttle: minimum={self.minimum} is above maximum={self.maximum}")


@frozen(kw_only=True)
class Watching:
    """How settled SIMs are detected. All in seconds except `sweep_from`."""

    timeout: float = field(default=900.0, validator=_POSITIVE)
    """Default timeout of a wait."""
    first: float = field(default=1.0, validator=_POSITIVE)
    """First pause between single reads of a SIM; doubles, with full jitter."""
    longest: float = field(default=30.0, validator=_POSITIVE)
    """Longest pause between single reads. Lower: less delay, more requests."""
    sweep_from: int = field(default=25, validator=_COUNT)
    """From this many pending SIMs on, one list request covers 1,000 of them at once."""
    sweep_every: float = field(default=2.0, validator=_POSITIVE)
    """Shortest pause between sweeps: it grows as fewer SIMs are left, and as they have lasted
    longer, up to `safety_every`. Lower: less delay, more requests, which all SIMs share."""
    safety_every: float = field(default=15.0, validator=_POSITIVE)
    """Pause between sweeps, or reads, while callbacks are expected: the delay that a lost callback
    costs. Between sweeps up to four times as long, if few SIMs are left."""
    stale_for: float = field(default=10.0, validator=_NOT_NEGATIVE)
    """How long a read that shows a SIM settled off its target may be stale; how long a 404,
    401 or 403 must last, in at least three reads, before it is believed."""
    final: frozenset[str] = field(default=frozenset(), converter=_words)
    """Final statuses that the vendor has added. Any other undocumented
    status counts as pending: it ends no wait."""

    def at_speed(self, speed: float) -> Self:
        """The same settings for an emulator that runs `speed` times as fast as the vendors.

        Pauses and `stale_for` are divided by `speed`, down to 50 ms and, `safety_every`, to 500 ms.
        `timeout` stays as it is: on a busy machine a request takes long at any speed.
        ValueError if `speed` is not a number above 0.
        """
        if not 0 < speed < math.inf:
            raise ValueError(f"at_speed({speed!r}): must be a number above 0")

        def scaled(seconds: float, least: float = _LEAST_PAUSE) -> float:
            return max(seconds / speed, min(seconds, least))

        return evolve(
            self,
            first=scaled(self.first),
            longest=scaled(self.longest),
            sweep_every=scaled(self.sweep_every),
            safety_every=scaled(self.safety_every, _LEAST_SAFETY),
            stale_for=scaled(self.stale_for),
        )
