"""Result of `update_many`: a fan-out of updates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sized
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.resources.awaitable import check_timeout
from asyncsim.resources.fan_out import FanOut, QueuedJob
from asyncsim.resources.jobs import UpdateJob
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.updatable import UpdatableResource

if TYPE_CHECKING:  # imported when it is displayed
    from asyncsim.resources.update_progress import UpdateProgress

T = TypeVar("T")
C = TypeVar("C")
Changes = Mapping[str, C] | Iterable[tuple[str, C]] | AsyncIterable[tuple[str, C]]
"""SID or unique name, and the keywords of `update`."""


class UpdateMany(FanOut[T], Generic[T]):
    """The outcomes of many changes; see `FanOut` for iteration and stopping."""

    def __init__(
        self,
        resource: UpdatableResource[T],
        changes: Changes[Any],
        *,
        window: int,
        timeout: float | None,
        progress: bool,
    ) -> None:
        check_timeout(timeout)
        super().__init__(
            resource.context,
            _queue(resource, changes, timeout),
            window=window,
            start_watcher=resource.start_watcher,
            requested_of=resource.recall,
            call=resource.calling("update_many"),
        )
        self._what = f"{resource.kind.product.label} {resource.kind.key}"
        self._total = len(changes) if isinstance(changes, Sized) else None
        self._is_displayed = progress
        self._progress: UpdateProgress | None = None
        self._display = AsyncExitStack()

    @property
    def sending(self) -> int:
        """How many changes have no response yet."""
        return len(self._jobs)

    @property
    def accepted(self) -> int:
        """How many changes are accepted and have not settled."""
        return len(self._detached)

    async def _start(self) -> None:
        if self._is_displayed:
            from asyncsim.displays import choose_display, show
            from asyncsim.resources.update_progress import UpdateProgress

            self._progress = progress = UpdateProgress(self, self._total, self._context)
            await self._display.enter_async_context(show(progress, choose_display(progress)))
        await super()._start()

    def _put(self, outcome: Outcome[T]) -> None:
        if self._progress is not None:
            self._progress.add(outcome)
        super()._put(outcome)

    async def aclose(self) -> None:
        """Stop sending, let POSTs in flight get their responses, drop the waits."""
        try:
            await self._display.aclose()  # first, while the pending changes can still be counted
        finally:
            await super().aclose()

    @property
    def _state(self) -> str:
        if self._feeder is None:
            return "closed" if self._closing else "not started: iterate over it with `async for`"
        return "ended" if self.is_done else "closed" if self._closing else "running"

    @property
    def _pending(self) -> int:
        return len(self._left) if self._closing else len(self._jobs) + len(self._detached)

    def __repr__(self) -> str:
        counts = f"{self.ended:,} ended, {self.failed:,} of them failed, {self._pending:,} pending"
        return f"<UpdateMany of {self._what}, {self._state}; {counts}>"

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        bar = reprs.counts_bar(
            [
                ("reached their target", self.ended - self.failed, "ok"),
                ("failed", self.failed, "bad"),
                ("left in .unfinished" if self._closing else "pending", self._pending, "wait"),
            ]
        )
        return reprs.card(f"Update of many {self._what}: {self._state}", bar)


async def _queue(
    resource: UpdatableResource[T], changes: Changes[Any], timeout: float | None
) -> AsyncGenerator[QueuedJob[T], None]:
    def queued(item: Any) -> QueuedJob[T]:
        try:
            name, given = item
        except (TypeError, ValueError):
            given = name = None
        if not isinstance(name, str) or not isinstance(given, Mapping):
            raise TypeError(f"update_many takes (SID, changes) pairs, not {item!r}")
        return QueuedJob(name, given, partial(UpdateJob, resource, name, given, timeout=timeout))

    if isinstance(changes, AsyncIterable):
        async for item in changes:
            yield queued(item)
        return
    for item in changes.items() if isinstance(changes, Mapping) else changes:
        yield queued(item)
