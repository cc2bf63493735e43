"""Many changes sent and watched, until all have ended or the user has seen enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from attrs import define, field

from asyncsim import Outcome
from asyncsim.cli.accounts import Many, Sim, Sims
from asyncsim.cli.exits import Exit, code_of_many
from asyncsim.cli.progress import Shown


@define(kw_only=True)
class Run:
    """How far it came."""

    asked: int
    outcomes: dict[str, Outcome[Sim]] = field(factory=dict)
    """SID -> how it ended."""
    unfinished: frozenset[str] = frozenset()
    """Sent, or just about to be, when it was stopped."""
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def failures(self) -> dict[str, Outcome[Sim]]:
        """Those that did not reach the goal."""
        return {sid: outcome for sid, outcome in self.outcomes.items() if not outcome.ok}

    @property
    def exit_code(self) -> Exit:
        """The exit code of the command."""
        if self.interrupted:
            return Exit.CANCELLED
        return code_of_many(outcome.error for outcome in self.outcomes.values())


async def run(
    sims: Sims,
    changes: Mapping[str, Mapping[str, str]],
    shown: Shown,
    *,
    window: int = 1000,
    timeout: float | None = None,
) -> Run:
    """Send all changes; a cancellation (the first Ctrl-C) ends it early, without an error."""
    state = Run(asked=len(changes))
    began = time.monotonic()
    many = sims.update_many(changes.items(), window=window, timeout=timeout)
    try:
        await _collect(many, state, shown)
    except asyncio.CancelledError:
        state.interrupted = True
        _take_back_cancellation()
    finally:
        await many.aclose()
    state.unfinished = frozenset(many.unfinished)
    state.seconds = time.monotonic() - began
    return state


async def _collect(many: Many, state: Run, shown: Shown) -> None:
    async for outcome in many:
        state.outcomes[outcome.sid] = outcome
        shown(outcome)


def _take_back_cancellation() -> None:
    """Let the report be written: a task that is still being cancelled could not await anything."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
