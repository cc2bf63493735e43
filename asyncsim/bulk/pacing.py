"""How fast a job's rows go out: none that would only queue, few while nobody answers."""

from __future__ import annotations

import asyncio

from asyncsim.bulk.actions import Action
from asyncsim.bulk.tasks import Task

PATIENCE = 20
"""Rows in a row without an answer; then the vendor is away, and the next rows wait a little."""
_LONGEST_PATIENCE = 30.0  # seconds before one more row tries
_SPARE = 16  # rows; a throttle that allows one request must not wait for each commit


class Pace:
    """Holds back rows whose request would have no place yet: a crash puts in doubt what is out.

    Twice what the throttle allows keeps that busy while intents are written; of texts, whose
    doubts nothing resolves, just as many as go out at once.
    """

    def __init__(self, task: Task) -> None:
        self._connection = task.sims._connection
        self._once_only = task.action is Action.SEND
        self._unanswered: set[int] = set()
        """Rows whose request is on its way, or will be in a moment."""
        self._answered = asyncio.Event()
        self._silent = 0

    async def wait(self) -> None:
        """Return when one more row may go out."""
        if self._silent >= PATIENCE:  # one tries now and then, an answer ends that
            seconds = min(self._silent / PATIENCE, _LONGEST_PATIENCE)
            await self._connection.clock.sleep(seconds)
        while len(self._unanswered) >= self._most():
            self._answered.clear()
            await self._answered.wait()

    def _most(self) -> int:
        limit = int(self._connection.limit)
        if not self._once_only:
            return 2 * limit + _SPARE
        # Texts that only wait for their turn would be in doubt as well.
        rate = self._connection.throttle.max_rps
        return (
            limit if rate is None else min(limit, self._connection.in_flight + int(rate / 10) + 1)
        )

    def goes(self, row: int) -> None:
        """Take note of a row whose request goes out."""
        self._unanswered.add(row)

    def is_answered(self, row: int) -> None:
        """Take note that it is answered, or will not be for long."""
        self._unanswered.discard(row)
        self._answered.set()

    def heard(self, *, answer: bool) -> None:
        """Take note of whether a row has heard from the vendor."""
        self._silent = 0 if answer else self._silent + 1
