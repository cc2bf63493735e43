"""Many changes at once: what `update_many` returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from asyncsim.resources.awaitable import check_timeout
from asyncsim.resources.fan_out import FanOut
from asyncsim.resources.jobs import One
from asyncsim.resources.piece import Order
from asyncsim.resources.settling import Settling

T = TypeVar("T")
C = TypeVar("C")
Changes = Mapping[str, C] | Iterable[tuple[str, C]] | AsyncIterable[tuple[str, C]]
"""SID or unique name, and the keywords of `update`."""


class UpdateMany(FanOut[T], Generic[T]):
    """The outcomes of many changes; `FanOut` says how to go through them and how to stop."""

    def __init__(
        self,
        resource: Settling[T],
        changes: Changes[Any],
        *,
        window: int,
        timeout: float | None,
    ) -> None:
        check_timeout(timeout)
        super().__init__(
            resource.context,
            _orders(resource, changes, timeout),
            window=window,
            ready=resource._the_watcher,
            recall=resource._recall,
        )


async def _orders(
    resource: Settling[T], changes: Changes[Any], timeout: float | None
) -> AsyncGenerator[Order[T], None]:
    async for name, given in _items(changes):
        yield Order(name, given, partial(One, resource, name, given, timeout=timeout))


async def _items(changes: Changes[Any]) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(changes, AsyncIterable):
        async for item in changes:
            yield _pair(item)
        return
    for item in changes.items() if isinstance(changes, Mapping) else changes:
        yield _pair(item)


def _pair(item: Any) -> tuple[str, Mapping[str, Any]]:
    try:
        name, changes = item
    except (TypeError, ValueError):
        changes = name = None
    if not isinstance(name, str) or not isinstance(changes, Mapping):
        raise TypeError(f"update_many takes (SID, changes) pairs, not {item!r}")
    return name, changes
