"""Writing a desired state when answers get lost: look first, send again only if it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import define

from asyncsim.core.goal import Goal
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    BadRequest,
    Conflict,
    DecodeError,
    NotFound,
    QueueTimeout,
    RateLimited,
    ServerError,
    TransportError,
)
from asyncsim.request import Ambiguous, Request
from asyncsim.sender import Sender
from asyncsim.transport import Reply

T = TypeVar("T")

# "Status not reachable": the code for an illegal transition, and for any while one is pending.
_UNREACHABLE_OR_BUSY = 83010


@define(eq=False)
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
    """Send a write until it is known to be accepted or refused.

    Once `request.halted` is set, nothing goes out again, and the failure is raised.
    """
    failures = 0
    lost: Ambiguous | None = None
    while True:
        try:
            return Written(_decoded(await sender.send(request), request, decode))
        except Ambiguous as ambiguous:
            lost = ambiguous
        except APIError as refused:
            if request.halted:
                raise
            if lost is not None and goal.moves and isinstance(refused, NotFound):
                raise lost.error from refused  # perhaps moved: a name is known in one account only
            return Written(await _done_before(refused, goal, read, failures), recovered=True)
        failures += 1
        if request.halted:
            raise lost.error
        await sender.pause(failures, lost.error, request, lost.retry_after)
        if request.halted:
            raise lost.error
        # Also after the last attempt, which may be the one that was carried out.
        record = await _look(lost.error, read, goal)
        if record is not None and goal.is_taken_up(record):
            return Written(record, recovered=True)
        if request.halted or failures >= attempts:
            raise lost.error


def _decoded(reply: Reply, request: Request, decode: Callable[[Reply], T]) -> T:
    """Decode an answer; one that cannot be read (a gateway's page) is as good as lost."""
    try:
        return decode(reply)
    except DecodeError as error:
        request.lost = True
        raise Ambiguous(error, None) from error


async def _look(unclear: AsyncSimError, read: Callable[[], Awaitable[T]], goal: Goal) -> T | None:
    """Read what has become of a write; if that fails, the write is what the caller hears of.

    None: it is not in this account, which is how a SIM looks that has moved. To ask for the move
    once more is harmless, and the answer shows where it is.
    """
    try:
        return await read()
    except NotFound:
        if goal.moves:
            return None
        raise
    except (TransportError, ServerError, RateLimited, QueueTimeout) as error:
        raise unclear from error


async def _done_before(
    refused: APIError, goal: Goal, read: Callable[[], Awaitable[T]], failures: int
) -> T:
    """Return the record if an earlier attempt of ours was carried out; else raise the refusal.

    It is a `Conflict` when another's change stands in the way.
    """
    busy = isinstance(refused, Conflict) or refused.code == _UNREACHABLE_OR_BUSY
    if not busy and not (failures and isinstance(refused, BadRequest)):
        raise refused
    record = await _look(refused, read, goal)
    if record is None:
        raise refused
    if failures and goal.is_taken_up(record):
        return record
    raise _as_conflict(refused) if goal.is_pending(record) else refused


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
