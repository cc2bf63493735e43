"""Circuit breaker for rejected credentials: one for all waits of a client.

A gateway may reject valid credentials for a few seconds, and a new token may not be known
everywhere yet. So a rejection opens the breaker: one read at a time is sent as a probe, all others
pause.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import define, frozen

from asyncsim.core.settings import Watching
from asyncsim.errors import AuthenticationError, PermissionDenied

REJECTIONS = (AuthenticationError, PermissionDenied)
"""Errors of rejected credentials, or of a resource that these credentials may not read: KORE
reports both "not allowed" and "expired token" as 403."""

_PROBES = 3  # rejected ones, before the credentials count as revoked: fewer may hit one bad replica


@frozen
class _Subscriber:
    on_change: Callable[[], None]
    on_rejected: Callable[[Exception], None]


@define
class _Rejection:
    since: float
    error: Exception
    latest_at: float
    next_probe_at: float
    probes: int = 0
    probing: bool = False


class CredentialsBreaker:
    """One client's breaker: closed while its credentials work, open after a rejection.

    All times are the clock's.
    """

    def __init__(self, watching: Watching, now: Callable[[], float]) -> None:
        self._first = watching.first
        self._longest = watching.longest
        self._lasts = watching.stale_for
        self._now = now
        self._rejection: _Rejection | None = None
        self._subscribers: list[_Subscriber] = []
        self._valid_from = -math.inf
        """When the current credentials were set: rejections of earlier requests do not count."""
        self.last_success_at = -math.inf
        """When the latest request with accepted credentials began."""

    def subscribe(
        self, on_change: Callable[[], None], on_rejected: Callable[[Exception], None]
    ) -> None:
        """Call `on_change` as it opens, closes or a probe ends; `on_rejected` if it is final."""
        self._subscribers.append(_Subscriber(on_change, on_rejected))

    @property
    def rejection(self) -> Exception | None:
        """The latest rejection while it is open; None while it is closed."""
        return self._rejection.error if self._rejection is not None else None

    @property
    def next_probe_at(self) -> float | None:
        """When the next probe may be sent; None while it is closed, or a probe is in flight."""
        rejection = self._rejection
        return None if rejection is None or rejection.probing else rejection.next_probe_at

    def succeeded(self, began: float) -> None:
        """Record a success of a request that began then."""
        self.last_success_at = began
        # A request from before the rejection may have been accepted before the password was
        # revoked.
        if self._rejection is not None and began >= self._rejection.latest_at:
            self._rejection = None
            self._notify_changed()

    def reset(self) -> None:
        """Close it: the credentials are others from now on."""
        self._valid_from, self._rejection = self._now(), None
        self._notify_changed()

    def rejected(self, error: Exception, began: float) -> None:
        """Record a rejection of a request that began then."""
        now, rejection = self._now(), self._rejection
        if began < self._valid_from:
            return
        if rejection is None:
            self._rejection = _Rejection(now, error, now, now + self._first)
            self._notify_changed()
            return
        rejection.error = error
        if began < rejection.latest_at:
            return  # sent before the first rejection was known: not a probe, so it does not count
        rejection.latest_at = now
        rejection.probes += 1
        decides_at = rejection.since + self._lasts
        if rejection.probes >= _PROBES and now >= decides_at:
            self._rejection = None  # waits that begin from now on retry the credentials
            for subscriber in self._subscribers:
                subscriber.on_rejected(error)
            return
        # Exponential, but a probe is sent at the very moment from which a rejection is final.
        pause = min(self._first * 2.0 ** min(rejection.probes, 60), self._longest)
        probe_at = now + pause
        rejection.next_probe_at = min(probe_at, decides_at) if now < decides_at else probe_at

    def allows_request(self) -> bool:
        """Tell whether a read may be sent; while open, as a probe, followed by `probe_ended`."""
        rejection = self._rejection
        if rejection is None:
            return True
        # One at a time: ten thousand waits must not hammer the vendor with a revoked password.
        if rejection.probing or self._now() < rejection.next_probe_at:
            return False
        rejection.probing = True
        return True

    def probe_ended(self) -> None:
        """Record the end of a probe, with any outcome."""
        rejection, now = self._rejection, self._now()
        if rejection is not None and rejection.probing:
            rejection.probing = False
            if rejection.next_probe_at <= now:  # a timeout or a 503 says nothing about credentials
                rejection.next_probe_at = now + self._first
            self._notify_changed()

    def _notify_changed(self) -> None:
        for subscriber in self._subscribers:
            subscriber.on_change()
