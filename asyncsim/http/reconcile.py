"""Reconciliation: when a response is lost, the state is read back before an update is resent.

Resending an update that was carried out would be rejected (83010, 33105), or undo what
another client has changed since.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeGuard, TypeVar

from attrs import define

from asyncsim import error_codes
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

# Errors of a read that are more than a failed read.
_CONCLUSIVE = (AuthenticationError, NotFound, PermissionDenied)


@define(eq=False)
class WriteResult(Generic[T]):
    """An accepted write; `recovered`: its own response was lost and a read showed its effect."""

    record: T
    recovered: bool = False


def may_be_busy(error: BaseException) -> TypeGuard[APIError]:
    """Tell whether a rejection may be due to another change that was still running."""
    return isinstance(error, Conflict) or (
        isinstance(error, BadRequest) and error.code in error_codes.UNREACHABLE_OR_BUSY
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
) -> WriteResult[T]:
    """Send a write until it is known to be accepted or rejected.

    Once `request.halted` is set, nothing is resent, and the failure is raised. Any error
    after an attempt that may have been carried out says so (`outcome_unknown`).
    """
    try:
        return await _Write(sender, request, goal, decode, read, attempts).run()
    except ClientClosed as closed:
        raise request.closed(sent=request.in_doubt or closed.sent) from closed
    except AsyncSimError as error:
        if not request.in_doubt or error.outcome_unknown:
            raise
        # A copy: all requests that wait for a token share the error of a rejected login, and
        # others have sent nothing.
        in_doubt = copy.copy(error)
        in_doubt.outcome_unknown = True
        raise in_doubt from error.__cause__


@define(eq=False)
class _Write(Generic[T]):
    """One write, attempt by attempt."""

    sender: Sender
    request: Request
    goal: Goal
    decode: Callable[[Response], T]
    read: Callable[[], Awaitable[T]]
    attempts: int
    failures: int = 0
    lost: Ambiguous | None = None
    """The last attempt that may have been carried out."""

    async def run(self) -> WriteResult[T]:
        request = self.request
        while True:
            try:
                return WriteResult(self.decode(await self.sender.send(request)))
            except Ambiguous as ambiguous:
                lost = self.lost = ambiguous
            except DecodeError as error:
                if was_processed(error):
                    raise
                # It proves nothing (a gateway's page with status 200), so it counts as lost.
                request.in_doubt = True
                lost = self.lost = Ambiguous(error, None)
            except APIError as rejection:
                if request.halted:
                    raise
                if (
                    self.lost is not None
                    and self.goal.changes_account
                    and isinstance(rejection, NotFound)
                ):
                    # Perhaps the first attempt has moved it: a name is known in one account only.
                    raise self.lost.error from rejection
                return WriteResult(await self._applied_before(rejection), recovered=True)
            self.failures += 1
            if request.halted:
                raise lost.error
            record = await self._unless_halted(lost, self._pause_and_read(lost))
            if record is not None and self.goal.was_accepted(record):
                return WriteResult(record, recovered=True)
            if request.halted or self.failures >= self.attempts:
                raise lost.error

    async def _pause_and_read(self, lost: Ambiguous) -> T | None:
        """Read the outcome of a write; also of the last attempt, which may have been applied.

        None: it is not in this account, as after a SIM has moved. Requesting the
        move again is harmless, and the response shows where it is.
        """
        request, may_resend = self.request, True
        try:
            await self.sender.pause(self.failures, lost.error, request, lost.retry_after)
        except (APIError, TransportError):
            # The server asks for a longer pause than is allowed. Nothing is resent then; but a call
            # that waits for the end of the change, and so has a budget, reads all the same.
            if request.pause_budget == math.inf:
                raise
            may_resend = False
        if request.halted:
            raise lost.error
        record = None
        try:
            record = await self.read()
        except ClientClosed:
            raise
        except _CONCLUSIVE as error:
            if not isinstance(error, NotFound) or not self.goal.changes_account:
                raise
        except AsyncSimError as error:
            raise lost.error from error
        if not may_resend and (record is None or not self.goal.was_accepted(record)):
            raise lost.error
        return record

    async def _unless_halted(
        self, lost: Ambiguous, work: Coroutine[Any, Any, T | None]
    ) -> T | None:
        """Await this only while the request is needed: its wait may end meanwhile."""
        task = asyncio.ensure_future(work)
        signal = self.request.halt_signal = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait((task, signal), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise lost.error
            return task.result()
        finally:
            self.request.halt_signal = None
            task.cancel()
            # Also a finished one: a cancellation may arrive in the very moment in which it failed.
            await asyncio.gather(task, return_exceptions=True)

    async def _applied_before(self, rejection: APIError) -> T:
        """Return the record if an earlier attempt of ours was carried out; else raise.

        The rejection is raised, as a `Conflict` when another change is still in progress.
        """
        may_be_ours = self.failures and isinstance(rejection, BadRequest)
        if not may_be_busy(rejection) and not may_be_ours:
            raise rejection
        try:
            record = await self.read()
        except ClientClosed:
            raise
        except AsyncSimError as error:
            raise rejection from error
        if self.failures and self.goal.was_accepted(record):
            return record
        if isinstance(rejection, Conflict) or not self.goal.is_pending(record):
            raise rejection
        raise Conflict(
            rejection.status,
            rejection.code,
            rejection.message,
            rejection.more_info,
            rejection.request_id,
            asked=rejection.asked,
        )
