"""Writing a desired state when answers get lost: look first, send again only if it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import frozen

from asyncsim.core.goal import Goal, Standing
from asyncsim.errors import APIError, Conflict
from asyncsim.sender import Ambiguous, Request, Sender
from asyncsim.transport import Reply

T = TypeVar("T")

# "Status not reachable": the code for an illegal transition, and for any while one is pending.
_UNREACHABLE_OR_BUSY = 83010


@frozen
class Written(Generic[T]):
    """An accepted write; `recovered`: its own answer was lost and a read told of it."""

    record: T
    recovered: bool = False


async def write(
    sender: Sender,
    request: Request,
    goal: Goal,
    *,
    decode: Callable[[Reply], T],
    read: Callable[[], Awaitable[T]],
    attempts: int,
) -> Written[T]:
    """Send a write until it is known to be accepted or refused."""
    failures = 0
    while True:
        try:
            return Written(decode(await sender.send(request)))
        except Ambiguous as lost:
            error = lost.error
        except APIError as refused:
            record = await _blocked_by(refused, goal, read)
            if failures:
                return Written(record, recovered=True)  # by an earlier attempt of our own
            raise _as_conflict(refused) from refused
        failures += 1
        if request.halted or failures >= attempts:
            raise error
        await sender.pause(failures, error, request)
        record = await read()
        standing = goal.judge(record)
        if standing is Standing.PENDING or (standing is Standing.REACHED and goal.expected):
            return Written(record, recovered=True)


async def _blocked_by(refused: APIError, goal: Goal, read: Callable[[], Awaitable[T]]) -> T:
    """Return the pending record that stands in the way; raise the refusal if none does."""
    if not isinstance(refused, Conflict) and refused.code != _UNREACHABLE_OR_BUSY:
        raise refused
    record = await read()
    if goal.is_pending(record):
        return record
    raise refused


def _as_conflict(refused: APIError) -> Conflict:
    if isinstance(refused, Conflict):
        return refused
    return Conflict(
        refused.status,
        refused.code,
        refused.message,
        refused.more_info,
        refused.request_id,
        asked=refused.asked,
    )
