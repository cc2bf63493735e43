"""KORE access tokens: how one is read, when it is renewed, and what a refusal means.

KORE answers 403, not 401, to an expired token, and 403 also means "not allowed". Only a new token
tells them apart: what it cures was the token's fault. A token that is refused soon after it worked
was made void, perhaps by another process that logs in with the same client, which in turn loses
its own: whoever then renews at once keeps that going for ever.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from asyncsim.redaction import Redacted

MOST = 5
"""Renewals after a refusal, within a minute, of a client and of a call."""
_MINUTE = 60.0
_EARLY = 60.0  # seconds before its end at which a token is renewed, but not more than
_EARLY_SHARE = 0.1  # of its life
_PATIENCE = 5.0  # seconds between attempts to renew a token that is still good
# Seconds after which even a token that never worked is given up: another process may have made it
# void before it was used, or its client was granted more (KORE's scopes are those of the minting).
# Below `Watching.stale_for`, after which waits believe a refusal that lasts.
_UNPROVEN = 5.0
_PAUSE = 1.0  # seconds before the second renewal in a minute; doubles with each
_SHORTEST = 3600.0  # seconds: what KORE grants is an hour, a day, 30 days or 24 months
_LONGEST = 750 * 86400.0


@define
class Token:
    """One access token; its value is never shown."""

    header: Redacted
    generation: int
    minted_at: float
    expires_at: float
    replaces: bool = False
    """Whether it was minted because the one before was refused."""
    proven_at: float = -math.inf
    """When the latest request that it was good for had gone out."""
    due_at: float = field(init=False)
    """From then on a new one should be fetched."""

    def __attrs_post_init__(self) -> None:
        """Renew before the end, by a minute or a tenth of the token's life."""
        self.due_at = self.expires_at - min(
            _EARLY, _EARLY_SHARE * (self.expires_at - self.minted_at)
        )

    @property
    def worked(self) -> bool:
        """Whether a request was accepted with it."""
        return self.proven_at > -math.inf

    def postpone(self, now: float) -> bool:
        """After a failed renewal: go on with this one; tell whether it is still good."""
        self.due_at = min(self.expires_at, now + _PATIENCE)
        return now < self.expires_at


@define
class Renewals:
    """Tokens that were given up because a request was refused, and which of them rightly so."""

    _at: deque[float] = field(init=False, factory=deque)
    _helped_at: deque[float] = field(init=False, factory=deque)
    _helped: int = field(init=False, default=0)
    """The latest generation that was good for a request refused before."""

    def begin(self, now: float) -> None:
        """Take note that a token is given up."""
        self._at.append(now)

    def helped(self, generation: int, now: float) -> None:
        """Take note that a request refused before was accepted with this generation."""
        if generation != self._helped:
            self._helped = generation
            self._helped_at.append(now)

    def are_fought(self, now: float) -> bool:
        """Whether tokens are made void as often as they are minted: by another process."""
        return _within_a_minute(self._helped_at, now) >= MOST - 1

    def can_help(self, token: Token, now: float) -> bool:
        """Tell whether a new token may be good for what this one was refused for."""
        if _within_a_minute(self._at, now) >= MOST:
            return False
        doubtful = token.replaces and not token.worked
        return (
            not doubtful
            or now - token.minted_at >= _UNPROVEN
            or _within_a_minute(self._helped_at, now) > 0
        )

    def pause(self, now: float, draw: float) -> float:
        """Seconds before the next one; `draw` is uniform in 0 to 1. None before the first."""
        before = _within_a_minute(self._at, now)
        return _PAUSE * 2.0 ** (before - 1) * (0.5 + 0.5 * draw) if before else 0.0


def _within_a_minute(moments: deque[float], now: float) -> int:
    while moments and moments[0] <= now - _MINUTE:
        moments.popleft()
    return len(moments)


def read(answer: Any) -> tuple[Redacted, float] | str:
    """Read a token response: header and seconds of life, or what is wrong, without quoting it."""
    if not isinstance(answer, Mapping):
        return "not a JSON object"
    value = answer.get("access_token")
    if not isinstance(value, str) or not value.strip():
        return "it holds no access_token"
    value = value.strip()
    if not all("!" <= one <= "~" for one in value):  # RFC 6750, 2.1
        return "its access_token holds white space or characters that no header may carry"
    return Redacted(f"Bearer {value}"), _life(answer.get("expires_in"))


def _life(expires_in: Any) -> float:
    """Seconds; where it is missing or absurd, the shortest: a token that ends sooner is refused."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return _SHORTEST
    # At least a second: a token that is due at once would be minted for ever.
    return min(max(seconds, 1.0), _LONGEST) if seconds > 0 else _SHORTEST
