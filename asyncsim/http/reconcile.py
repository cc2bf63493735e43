"""Writing a desired state when responses get lost: read first, resend only what is not there."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeGuard, TypeVar

from attrs import define

from asyncsim.core.goal import Goal
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    BadRequest,
    ClientClosed,
    Conflict,
    DecodeError,
    NotFound,
    PermissionDenied,
    TransportError,
    WrongResource,
)
from asyncsim.http.request import Ambiguous, Request
from asyncsim.http.sender import Sender
from asyncsim.http.transport import Response

T = TypeVar("T")
_SPEAK_FOR_THEMSELVES = (AuthenticationError, NotFound, PermissionDenied)

# "Status not reachable" (Super SIM), "transition invalid" (Programmable Wireless): the codes for
# an illegal transition, and for any while one is pending.
_UNREACHABLE_OR_BUSY = frozenset({83010, 33105})


@define(eq=False)
class Written(Generic[T]):
    """An accepted write; `recovered`: its own response was lost and a read told of it."""

    record: T
    recovered: bool = False


def may_be_busy(error: BaseException) -> TypeGuard[APIError]:
    """Tell whether a refusal may be due to another change that was still running."""
    return isinstance(error, Conflict) or (
        isinstance(error, BadRequest) and error.code in _UNREACHABLE_OR_BUSY
    )


def was_processed(error: BaseException) -> TypeGuard[DecodeError]:
    """Tell whether a write ended in a response that proves it was processed, but cannot be used."""
    return isinstance(error, WrongResource) or (
        isinstance(error, DecodeError) and error.accepted is not None
    )


async def write(
    sender: Sender,
    request: Request,
    goal: Goal,
    *,
    decode: Callable[[Response], T],
    read: Callable[[], Awaitable[T]],
    attempts: int,
) -> Written[T]:
    """Send a write until it is known to be accepted or refused.

    Once `request.halted` is set, nothing goes out again, and the failure is raised. Whatever is
    raised after an attempt that may have been carried out says so (`outcome_unknown`).
    """
    try:
        return await _write(sender, request, goal, decode, read, attempts)
    except ClientClosed as closed:
        raise request.closed(sent=request.in_doubt or closed.sent) from closed
    except AsyncSimError as error:
        if not request.in_doubt or error.outcome_unknown:
            raise
        unsure = copy.copy(error)  # a refused login is one error for all who wait for a token
        unsure.outcome_unknown = True
        raise unsure from error.__cause__


async def _write(
    sender: Sender,
    request: Request,
    goal: Goal,
    decode: Callable[[Response], T],
    read: Callable[[], Awaitable[T]],
    attempts: int,
) -> Written[T]:
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
            if lost is not None and goal.changes_account and isinstance(refused, NotFound):
                raise lost.error from refused  # perhaps moved: a name is known in one account only
            return Written(await _done_before(refused, goal, read, failures), recovered=True)
        failures += 1
        if request.halted:
            raise lost.error
        record = await _unless_halted(
            request, lost, _pause_and_look(sender, request, lost, read, goal, failures)
        )
        if record is not None and goal.was_accepted(record):
            return Written(record, recovered=True)
        if request.halted or failures >= attempts:
            raise lost.error


def _decoded(response: Response, request: Request, decode: Callable[[Response], T]) -> T:
    """Decode a response; one that proves nothing (a gateway's page) is as good as lost."""
    try:
        return decode(response)
    except DecodeError as error:
        if was_processed(error):
            raise
        request.in_doubt = True
        raise Ambiguous(error, None) from error


async def _pause_and_look(
    sender: Sender,
    request: Request,
    lost: Ambiguous,
    read: Callable[[], Awaitable[T]],
    goal: Goal,
    failures: int,
) -> T | None:
    """Read what has become of a write; also of the last attempt, which may have been carried out.

    None: it is not in this account, which is how a SIM looks that has moved. To ask for the move
    once more is harmless, and the response shows where it is.
    """
    resend = await _paused(sender, request, lost, failures)
    if request.halted:
        raise lost.error
    record = await _look(lost, read, goal)
    if not resend and (record is None or not goal.was_accepted(record)):
        raise lost.error
    return record


async def _paused(sender: Sender, request: Request, lost: Ambiguous, failures: int) -> bool:
    """Pause before the read; False where the server wants a longer pause than is allowed.

    Then nothing is sent again. Who waits for the end of the change reads all the same.
    """
    try:
        await sender.pause(failures, lost.error, request, lost.retry_after)
    except (APIError, TransportError):
        if request.pause_budget == math.inf:
            raise
        return False
    return True


async def _look(lost: Ambiguous, read: Callable[[], Awaitable[T]], goal: Goal) -> T | None:
    try:
        return await read()
    except ClientClosed:
        raise
    except _SPEAK_FOR_THEMSELVES as error:
        if isinstance(error, NotFound) and goal.changes_account:
            return None
        raise
    except AsyncSimError as error:
        raise lost.error from error


async def _unless_halted(
    request: Request, lost: Ambiguous, work: Coroutine[Any, Any, T | None]
) -> T | None:
    """Do this only for as long as the request is needed: its wait may end meanwhile."""
    task = asyncio.ensure_future(work)
    request.halt_signal = asyncio.get_running_loop().create_future()
    try:
        await asyncio.wait((task, request.halt_signal), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise lost.error
        return task.result()
    finally:
        request.halt_signal = None
        task.cancel()
        # Also one that is done: a cancellation may have come in the moment in which it failed.
        await asyncio.gather(task, return_exceptions=True)


async def _done_before(
    refused: APIError, goal: Goal, read: Callable[[], Awaitable[T]], failures: int
) -> T:
    """Return the record if an earlier attempt of ours was carried out; else raise the refusal.

    It is a `Conflict` when another's change stands in the way.
    """
    if not may_be_busy(refused) and not (failures and isinstance(refused, BadRequest)):
        raise refused
    try:
        record = await read()
    except ClientClosed:
        raise
    except AsyncSimError as error:
        raise refused from error
    if failures and goal.was_accepted(record):
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
