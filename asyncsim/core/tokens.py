"""KORE access tokens: parsing a token response, renewal, the meaning of a rejection.

KORE reports an expired token as 403, not 401, and 403 also means "not allowed". Only a new token
tells them apart: if it helps, the token was at fault. A token that is rejected soon after it worked
was invalidated, perhaps by another process that logs in with the same client, which in turn loses
its own: if both renewed at once, they would invalidate each other's tokens endlessly.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from asyncsim.redaction import Redacted

MAX_RENEWALS = 5
"""Renewals after rejections within a minute, per client and per call."""
_MINUTE = 60.0
_EARLY = 60.0  # seconds before its expiry at which a token is renewed, but not more than this share
_EARLY_SHARE = 0.1  # of its lifetime
_RETRY_EVERY = 5.0  # seconds between attempts to renew a token that is still valid
# Seconds after which even a token that never worked is discarded: another process may have voided
# it before it was used, or its client got more permissions (KORE fixes scopes at minting).
# Below `Watching.stale_for`, after which waits believe a lasting rejection.
_UNPROVEN = 5.0
_PAUSE = 1.0  # seconds before the second renewal in a minute; doubles with each
# Seconds. KORE docs, "Authorization": a client's tokens live an hour, a day, 30 days or 24 months.
_SHORTEST = 3600.0
_LONGEST = 750 * 86400.0


@define
class Token:
    """One access token; its value is never shown."""

    header: Redacted
    generation: int
    minted_at: float
    expires_at: float
    replaces: bool = False
    """Whether it was minted because its predecessor was rejected."""
    proven_at: float = -math.inf
    """When the latest request accepted with it was sent."""
    due_at: float = field(init=False)
    """When a new one should be minted."""

    def __attrs_post_init__(self) -> None:
        """Renew before the expiry, by a minute or a tenth of the token's lifetime."""
        self.due_at = self.expires_at - min(
            _EARLY, _EARLY_SHARE * (self.expires_at - self.minted_at)
        )

    @property
    def worked(self) -> bool:
        """Whether a request was accepted with it."""
        return self.proven_at > -math.inf

    def postpone(self, now: float) -> bool:
        """After a failed renewal, keep this one for now; tell whether it is still valid."""
        self.due_at = min(self.expires_at, now + _RETRY_EVERY)
        return now < self.expires_at


@define
class Renewals:
    """Renewals after rejected requests, and which of them helped."""

    _at: deque[float] = field(init=False, factory=deque)
    _helped_at: deque[float] = field(init=False, factory=deque)
    _helped: int = field(init=False, default=0)
    """The latest generation that was accepted for a request rejected before."""

    def begin(self, now: float) -> None:
        """Record that a token is discarded."""
        self._at.append(now)

    def helped(self, generation: int, now: float) -> None:
        """Record that a rejected request was accepted with this generation."""
        if generation != self._helped:
            self._helped = generation
            self._helped_at.append(now)

    def are_contested(self, now: float) -> bool:
        """Tell whether another process invalidates tokens as often as they are minted."""
        return _within_a_minute(self._helped_at, now) >= MAX_RENEWALS - 1

    def can_help(self, token: Token, now: float) -> bool:
        """Tell whether a new token may be accepted where this one was rejected."""
        if _within_a_minute(self._at, now) >= MAX_RENEWALS:
            return False
        doubtful = token.replaces and not token.worked
        return (
            not doubtful
            or now - token.minted_at >= _UNPROVEN
            or _within_a_minute(self._helped_at, now) > 0
        )

    def pause(self, now: float, draw: float) -> float:
        """Seconds before the next one, 0 before the first; `draw` is uniform in 0 to 1."""
        before = _within_a_minute(self._at, now)
        return _PAUSE * 2.0 ** (before - 1) * (0.5 + 0.5 * draw) if before else 0.0


def _within_a_minute(moments: deque[float], now: float) -> int:
    while moments and moments[0] <= now - _MINUTE:
        moments.popleft()
    return len(moments)


def read_response(body: Any) -> tuple[Redacted, float] | str:
    """Read a token response: header and lifetime in seconds, or the problem, without quoting it."""
    if not isinstance(body, Mapping):
        return "not a JSON object"
    value = body.get("access_token")
    if not isinstance(value, str) or not value.strip():
        return "it holds no access_token"
    value = value.strip()
    if not all("!" <= character <= "~" for character in value):  # RFC 6750, 2.1
        return "its access_token holds white space or characters that no header may carry"
    try:
        life = float(body.get("expires_in", math.nan))
    except (TypeError, ValueError, OverflowError):
        life = math.nan
    # Missing or absurd: assume the shortest; a token that expires sooner is rejected and renewed.
    # At least a second: a token due at once would be minted in a loop.
    life = min(max(life, 1.0), _LONGEST) if life > 0 else _SHORTEST
    return Redacted(f"Bearer {value}"), life
