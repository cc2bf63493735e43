"""Why a run ends early: one place that all of its parts look at."""

from __future__ import annotations

import asyncio

from attrs import define, field


class Halted(Exception):  # internal: ends reading or planning, where nothing is under way
    """The run was halted."""


@define(eq=False)
class Halt:
    """The first reason counts."""

    reason: str | None = None
    error: Exception | None = None
    """What the run ends with."""
    happened: asyncio.Event = field(factory=asyncio.Event)

    def __call__(self, reason: str, error: Exception | None = None) -> None:
        """Stop sending."""
        if self.reason is None:
            self.reason, self.error = reason, error
        self.happened.set()

    def for_pause(self, seconds: float) -> None:
        """Stop, as the server wants no requests for so long: whoever runs it again then goes on."""
        self(f"retry after {seconds:,.10g} s")

    def check(self) -> None:
        """Raise `Halted` if it was."""
        if self.happened.is_set():
            raise Halted
