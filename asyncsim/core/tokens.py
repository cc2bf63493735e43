"""KORE access tokens: when to renew one, and what a refusal means.

KORE answers 403, not 401, to an expired token, and 403 also means "not allowed". They are told
apart by the token: a refusal of one minted moments ago is final, and so, for longer, is that of
one which has never worked.
"""

from __future__ import annotations

from attrs import define, field

_EARLY = 60.0  # seconds before its end at which a token is renewed, but not more than
_EARLY_SHARE = 0.1  # of its life
_PATIENCE = 5.0  # seconds between attempts to renew a token that is still good
_FRESH = 10.0  # seconds: nobody's clock makes a token of this age expire
# Seconds after which even a token that never worked is given up, because it may have been revoked
# meanwhile, or its client granted more: KORE's scopes are those of the minting.
_UNPROVEN = 300.0


@define
class Token:
    """One access token; its value is never shown."""

    value: str = field(repr=False)
    generation: int
    minted_at: float
    expires_at: float
    due_at: float = field(init=False)
    """From then on a new one should be fetched."""
    worked: bool = False

    def __attrs_post_init__(self) -> None:
        """Renew before the end, by a minute or a tenth of the token's life."""
        self.due_at = self.expires_at - min(
            _EARLY, _EARLY_SHARE * (self.expires_at - self.minted_at)
        )

    def postpone(self, now: float) -> bool:
        """After a failed renewal: go on with this one; tell whether it is still good."""
        self.due_at = min(self.expires_at, now + _PATIENCE)
        return now < self.expires_at


def helps_to_renew(current: Token | None, refused: int, now: float) -> bool:
    """Tell whether a request refused with token generation `refused` should be sent once more.

    When another request has already renewed the token, yes; otherwise only if it is not fresh.
    """
    if current is None or current.generation != refused:
        return True
    return now - current.minted_at >= (_FRESH if current.worked else _UNPROVEN)
