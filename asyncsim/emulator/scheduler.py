"""Scheduled tasks that survive a restart.

Settling a change, activating a SIM after three months and delivering a callback are scheduled
tasks. A handler cancels its task once it has been carried out, so an interrupted one runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, frozen

from asyncsim.clock import Clock, Timer
from asyncsim.emulator.persistence import StateStore

_COLLECTION = "errands"  # a stored name

# Dates of the clock count microseconds, timers do not.
_ROUNDING = 0.001


@frozen
class ScheduledTask:
    """What is to be done, for which key, and when."""

    what: str
    key: str
    due: float
    """Seconds since 1970, so that it means the same after a restart."""
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Unique: a key has at most one task of each sort."""
        return f"{self.what} {self.key}"


class Scheduler:
    """All tasks that are not done yet; one timer each, never an asyncio task."""

    def __init__(self, clock: Clock, state: StateStore) -> None:
        self._clock = clock
        self._state = state
        self._handlers: dict[str, Callable[[ScheduledTask], None]] = {}
        self._tasks: dict[str, ScheduledTask] = {}
        self._timers: dict[str, Timer] = {}

    def on(self, what: str, handler: Callable[[ScheduledTask], None]) -> None:
        """Register the handler of all tasks of a sort."""
        self._handlers[what] = handler

    def schedule(self, what: str, key: str, seconds: float, body: Mapping[str, Any]) -> None:
        """Run a handler in so many seconds; replaces a task of the same sort and key."""
        now = self._clock.utcnow().timestamp()
        task = ScheduledTask(what, key, now + seconds, body)
        self._start_timer(task, seconds)
        if self._state.keeps:
            self._state.put(_COLLECTION, task.name, asdict(task))

    def get(self, what: str, key: str) -> ScheduledTask | None:
        """The task of this sort and key."""
        return self._tasks.get(f"{what} {key}")

    def is_due(self, task: ScheduledTask) -> bool:
        """Whether its time has passed."""
        return task.due <= self._clock.utcnow().timestamp() + _ROUNDING

    def cancel(self, what: str, key: str) -> None:
        """Remove a task: done, or no longer wanted."""
        name = f"{what} {key}"
        if self._tasks.pop(name, None) is None:
            return
        if timer := self._timers.pop(name, None):
            timer.cancel()
        self._state.delete(_COLLECTION, name)

    def load(self) -> None:
        """Load the tasks of an earlier run; `resume` starts them."""
        for _, plain in self._state.items(_COLLECTION):
            task = ScheduledTask(**plain)
            self._tasks[task.name] = task

    def resume(self) -> None:
        """Start the timers of all loaded tasks; overdue ones run at once."""
        now = self._clock.utcnow().timestamp()
        for task in list(self._tasks.values()):
            self._start_timer(task, task.due - now)

    def commit(self) -> None:
        """Make what was done durable; needed only outside a handler."""
        self._state.commit()

    def close(self) -> None:
        """Stop all timers; the tasks stay in the state."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _start_timer(self, task: ScheduledTask, seconds: float) -> None:
        name = task.name
        if timer := self._timers.pop(name, None):
            timer.cancel()
        self._tasks[name] = task
        when = self._clock.now() + max(seconds, 0.0)
        self._timers[name] = self._clock.call_at(when, lambda: self._run(task))

    def _run(self, task: ScheduledTask) -> None:
        self._timers.pop(task.name, None)
        self._handlers[task.what](task)
        self._state.commit()
