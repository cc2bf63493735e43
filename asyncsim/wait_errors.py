"""Errors of waits that another process can finish: unusable tokens, changes without a trace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asyncsim.errors import AsyncSimError, TransitionTimeout


class TokenError(AsyncSimError):
    """A token of a wait cannot be used: forged, cut off, another account's, its deadline passed."""


class PerhapsNeverSent(TransitionTimeout):
    """The wait's deadline passed, and the SIM shows no trace of the change.

    It is as it was when the change was prepared: `status_before` and `date_before` (its
    `date_updated`). The process that prepared the change sends nothing after the deadline, but a
    request that it sent just before may still arrive.
    """

    def __init__(
        self,
        sid: str,
        requested: Mapping[str, Any],
        last: Any,
        seconds: float,
        *,
        status_before: str | None,
        date_before: datetime | None,
    ) -> None:
        super().__init__(sid, requested, last, seconds)
        self.status_before = status_before
        self.date_before = date_before

    def __str__(self) -> str:
        date = "" if self.date_before is None else f", updated {self.date_before.isoformat()}"
        before = f"{self.status_before!r}{date}"
        wanted = ", ".join(f"{name}={value!r}" for name, value in self.requested.items())
        return (
            f"{self.sid} shows no trace of {wanted or 'the change'} after {self.seconds:g} s: it is"
            f" {before}, as before; the change was perhaps never sent. Before you send anything,"
            " fetch the SIM again and compare its status and date_updated with these"
        )
