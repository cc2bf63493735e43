"""From a request to its answer: slot, login, attempts, typed errors. Knows no kind.

What `core.retry` decides is done here, and the waiting that it takes. A slot is never held
during a pause.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from attrs import define, field

from asyncsim.clock import Clock
from asyncsim.core.retry import (
    WRONG_CONNECTION,
    Idempotency,
    RetryDecision,
    decide_on_status,
    decide_without_response,
    may_have_been_processed,
    retry_after,
)
from asyncsim.core.settings import RetryPolicy, Timeout
from asyncsim.core.tokens import MOST
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    ClientClosed,
    DecodeError,
    OutcomeUnknown,
    QueueTimeout,
    RequestTimeout,
    TransportError,
)
from asyncsim.events import Event, LimitChanged, Observer, RequestFinished, RequestRetried, notify
from asyncsim.http.auth import Auth
from asyncsim.http.limiter import ConcurrencyLimiter, PauseTooLong, SlotTimeout, reject
from asyncsim.http.request import Ambiguous, Request, refusal
from asyncsim.http.transport import Response, Reuse, Transport


class Sender:
    """Sends the requests of one client."""

    def __init__(
        self,
        *,
        transport: Transport,
        auth: Auth,
        limiter: ConcurrencyLimiter,
        clock: Clock,
        retry: RetryPolicy,
        timeout: Timeout,
        observers: Sequence[Observer],
        worked: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._limiter = limiter
        self._clock = clock
        self._retry = retry
        self._timeout = timeout
        self._observers = observers
        self._worked = worked
        """Told when each request began that the credentials were good for."""
        standing = auth.standing
        self._carried = standing is not None and transport.set_default_header(
            "Authorization", standing
        )
        self._closed = False
        self.requests = 0
        """Those that have gone out, each attempt counted."""
        self._queueing: set[asyncio.Future[None]] = set()
        self._pausing: set[asyncio.Future[None]] = set()

    @property
    def limit(self) -> float:
        """Requests at once that the throttle allows just now."""
        return self._limiter.limit.value

    @property
    def in_flight(self) -> int:
        """Requests on the wire, of all clients that share the throttle."""
        return self._limiter.limit.in_flight

    async def send(self, request: Request) -> Response:
        """Send until there is a final answer.

        Raises `APIError`, `TransportError`, `QueueTimeout`; for a write `Ambiguous`, for a
        create `OutcomeUnknown`.
        """
        now = self._clock.now()
        attempt = _Attempt(now + self._timeout.queue, now)
        while True:
            if not self._walk_in(attempt):
                await self._enter(request, attempt)
                attempt.started = self._clock.now()
            response = await self._exchange(request, attempt)
            if (
                response is not None and 200 <= response.status < 300
            ):  # as `decide_on_status` has it
                self._auth.accepted(attempt.generation, attempt.started, attempt.logins > 0)
                self._worked(attempt.started)
                request.succeeded = True
                return response
            decision = self._judge(response, request, attempt)
            request.in_doubt |= _may_be_done(attempt.error)
            await self._follow(decision, request, attempt)

    def _walk_in(self, attempt: _Attempt) -> bool:
        """Take a slot at once, which is the usual case: a login at hand and nobody before us."""
        login = self._auth.current()
        if login is None or attempt.error is not None or not self._limiter.try_acquire():
            return False
        attempt.authorization, attempt.generation = login
        return True

    async def _enter(self, request: Request, attempt: _Attempt) -> None:
        """Take a slot with a good login in hand; neither is waited for while holding the other."""
        while True:
            if self._auth.current() is None:
                asked = self._clock.now()
                await self._log_in(request, attempt)
                attempt.deadline += self._clock.now() - asked  # not spent in the queue either
                continue
            if attempt.front or not self._limiter.try_acquire():
                await self._queue(request, attempt)
            login = self._auth.current()
            if login is not None and request.halted and attempt.error is not None:
                self._limiter.release()  # its wait ended, or it was closed, while it queued
                raise attempt.error
            if login is not None:
                attempt.authorization, attempt.generation = login
                return
            self._limiter.release()  # the token ran out in the queue

    async def _log_in(self, request: Request, attempt: _Attempt) -> None:
        try:
            await self._auth.obtain(self._login_deadline(request, attempt))
        except ClientClosed as closed:  # what the caller wanted is this request, not a token
            raise request.closed(sent=request.in_doubt) from closed

    async def _queue(self, request: Request, attempt: _Attempt) -> None:
        self._refuse_if_closed(request, attempt.error)
        try:
            await self._limiter.acquire(
                attempt.deadline,
                urgent=request.urgent,
                front=attempt.front,
                group=self._queueing,
                latest=self._latest(request),
            )
        except SlotTimeout as closed:
            self._refuse_if_closed(request, attempt.error)
            paused = closed.seconds if isinstance(closed, PauseTooLong) else None
            raise QueueTimeout(
                request.operation, self._timeout.queue, sent=request.in_doubt, retry_after=paused
            ) from attempt.error

    async def _exchange(self, request: Request, attempt: _Attempt) -> Response | None:
        """Send once; without an answer, None, and the reason as `attempt.error`."""
        headers = None if self._carried else {"Authorization": attempt.authorization}
        request.attempts += 1
        self.requests += 1
        request.in_flight = True
        response, silence = None, None
        try:
            response = await self._transport.exchange(
                request.method,
                request.url,
                headers,
                request.body,
                request.operation,
                request.max_bytes,
                request.reuse,
            )
        except TransportError as error:
            attempt.error = silence = error
        except DecodeError as error:
            self._limiter.release()
            raise _unreadable(request, error) from error
        except ClientClosed as closed:
            self._limiter.release()
            request.in_doubt |= closed.sent
            raise request.closed(sent=request.in_doubt) from closed
        except BaseException:
            self._limiter.release()
            request.in_doubt = True  # cancelled: its answer is not waited for
            raise
        finally:
            request.in_flight = False
        ended = self._clock.now()
        attempt.seconds = ended - attempt.started
        if response is not None and response.status < 300:
            self._limiter.release(attempt.seconds, ended)
        else:
            self._release(response, silence, attempt)
        if self._observers:
            self._note(request, response, silence, attempt.seconds)
        return response

    def _judge(
        self, response: Response | None, request: Request, attempt: _Attempt
    ) -> RetryDecision:
        if response is None:
            return decide_without_response(request.idempotency, sent=_may_be_done(attempt.error))
        decision = decide_on_status(response.status, request.idempotency)
        if decision is RetryDecision.REJECTED:  # whatever it says, it let us in
            self._auth.accepted(attempt.generation, attempt.started, attempt.logins > 0)
        attempt.error = refusal(response, request.operation, attempt.told)
        return decision

    def _release(
        self, response: Response | None, silence: TransportError | None, attempt: _Attempt
    ) -> None:
        """Give the slot back after anything but success, and read what the server asks for."""
        attempt.told = None
        if response is not None:
            attempt.told = retry_after(response.headers, self._clock.utcnow)
        if response is not None and response.status == 429:
            before = self._limiter.limit.value
            # Nobody waits for longer than that, whoever was told so.
            self._limiter.throttled(min(attempt.told or 0.0, self._retry.longest_pause))
            limit = self._limiter.limit
            if limit.value < before:
                notify(self._observers, LimitChanged(limit=limit.value, in_flight=limit.in_flight))
        elif response is not None and not may_have_been_processed(response.status):
            self._limiter.release(attempt.seconds)
        elif isinstance(silence, RequestTimeout):
            self._limiter.timed_out()
        else:
            self._limiter.release()

    async def _follow(self, decision: RetryDecision, request: Request, attempt: _Attempt) -> None:
        """Return when the request should go out again, else raise."""
        error = attempt.error
        assert error is not None  # noqa: S101  # whatever is not done has one
        if request.halted and decision is not RetryDecision.OUTCOME_UNKNOWN:
            raise error
        attempt.front = decision is RetryDecision.THROTTLED
        if attempt.front:
            await self._stand_back(request, attempt, error)
            return
        if await self._may_log_in(decision, request, attempt, error):
            self._tell_retry(request, 0.0, error)
            return
        if decision is not RetryDecision.RETRY:
            _give_up(decision, error, request, attempt)
        attempt.failures += 1
        if attempt.failures >= self._retry.attempts or request.no_retry:
            raise error
        if isinstance(error, APIError) and error.status == WRONG_CONNECTION:
            request.reuse = Reuse.NONE
        waited = await self.pause(attempt.failures, error, request, attempt.told)
        attempt.deadline += attempt.seconds + waited  # neither was spent in the queue
        if request.halted:
            raise error

    async def _stand_back(self, request: Request, attempt: _Attempt, error: AsyncSimError) -> None:
        """Go back to the front of the queue after a 429, where all wait while it is paused."""
        attempt.refusals += 1
        left = attempt.deadline - self._clock.now()
        if attempt.told:
            self._bear(attempt.told, request, error, left)
        if attempt.told == 0.0:  # its own: a pause of all, with each such 429, would cost much
            delay = min(self._jitter(attempt.refusals, 0.0), left)
            await self._pause(delay, error, request)
        else:
            self._tell_retry(request, 0.0, error)

    def _latest(self, request: Request) -> float:
        """When the pauses that the server asks for must have ended."""
        if request.pauses_end_by is not None:
            return request.pauses_end_by
        return self._clock.now() + (0.0 if request.urgent else request.pause_budget)

    def _bear(
        self, told: float, request: Request, error: AsyncSimError, left: float = math.inf
    ) -> None:
        """Raise the error if the server asks for a pause that is longer than the caller waits."""
        latest = self._latest(request)
        if told > min(self._retry.longest_pause, left, latest - self._clock.now()):
            raise error
        request.pauses_end_by = latest

    async def _may_log_in(
        self, decision: RetryDecision, request: Request, attempt: _Attempt, error: AsyncSimError
    ) -> bool:
        """Tell whether a refused login is worth another try; it may have to wait for that."""
        if (
            decision is not RetryDecision.RENEW_LOGIN
            or not isinstance(error, APIError)
            or attempt.logins >= MOST
        ):
            return False
        attempt.logins += 1
        asked = self._clock.now()
        latest = self._login_deadline(request, attempt)
        try:
            again = await self._auth.refused(attempt.generation, error, latest)
        except ClientClosed as closed:
            raise request.closed(sent=request.in_doubt) from closed
        attempt.deadline += self._clock.now() - asked
        return again

    def _login_deadline(self, request: Request, attempt: _Attempt) -> float:
        """When a call that has no login gives up: its own time to queue, or its caller's."""
        # What never pauses can wait for a token all the same, as it waits for a response.
        patience = request.pause_budget or self._timeout.request
        return min(attempt.deadline, request.pauses_end_by or self._clock.now() + patience)

    async def pause(
        self,
        failures: int,
        error: AsyncSimError,
        request: Request,
        told: float | None = None,
    ) -> float:
        """Wait before the next attempt, holding nothing; `told` is the answer's Retry-After.

        Raises the error at once if that is longer than the policy, or the request, allows.
        """
        if told:
            self._bear(told, request, error)
        delay = self._jitter(failures, told)
        await self._pause(delay, error, request)
        return delay

    def _jitter(self, failures: int, told: float | None) -> float:
        return self._retry.pause(failures, random.random(), told)  # noqa: S311  # no secret

    async def _pause(self, delay: float, error: AsyncSimError, request: Request) -> None:
        self._refuse_if_closed(request, error)
        self._tell_retry(request, delay, error)
        await self._rest(delay)
        self._refuse_if_closed(request, error)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        rested = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + seconds, partial(_wake, rested))
        self._pausing.add(rested)
        try:
            await rested
        finally:
            timer.cancel()
            self._pausing.discard(rested)

    def _refuse_if_closed(self, request: Request, error: Exception | None) -> None:
        if self._closed:
            raise request.closed(sent=request.in_doubt) from error

    async def close(self) -> None:
        """End the calls that pause or queue; those on the wire are the transport's to end."""
        self._closed = True
        reject(self._queueing)
        for rested in self._pausing:
            _wake(rested)

    def _tell_retry(self, request: Request, delay: float, error: Exception) -> None:
        if self._observers:
            notify(
                self._observers,
                RequestRetried(
                    method=request.method,
                    path=request.path,
                    attempt=request.attempts,
                    delay=delay,
                    reason=str(error),
                ),
            )

    def _note(
        self,
        request: Request,
        response: Response | None,
        silence: TransportError | None,
        seconds: float,
    ) -> None:
        event: Event = RequestFinished(
            method=request.method,
            product=request.product,
            path=request.path,
            status=None if response is None else response.status,
            seconds=seconds,
            attempt=request.attempts,
            error=None if silence is None else silence.reason,
        )
        notify(self._observers, event)


def _wake(rested: asyncio.Future[None]) -> None:
    if not rested.done():
        rested.set_result(None)


@define(eq=False)
class _Attempt:
    """What one call remembers between its attempts."""

    deadline: float
    started: float
    """When it last went out."""
    failures: int = 0
    refusals: int = 0
    """429s."""
    front: bool = False
    logins: int = 0
    """How often it was refused and had reason to hope for a new login."""
    authorization: str = field(default="", repr=False)
    generation: int = 0
    error: APIError | TransportError | None = None
    told: float | None = None
    seconds: float = 0.0


def _may_be_done(error: APIError | TransportError | None) -> bool:
    if isinstance(error, TransportError):
        return error.sent
    return error is not None and may_have_been_processed(error.status)


def _give_up(
    decision: RetryDecision, error: APIError | TransportError, request: Request, attempt: _Attempt
) -> NoReturn:
    if decision is RetryDecision.AMBIGUOUS:
        raise Ambiguous(error, attempt.told)
    if decision is RetryDecision.OUTCOME_UNKNOWN:
        raise OutcomeUnknown(request.operation, request.look) from error
    raise error


def _unreadable(request: Request, error: DecodeError) -> Exception:
    """Judge a success whose body cannot be had: what it changes is as good as lost."""
    request.in_doubt = True
    if request.idempotency is Idempotency.UNSAFE:
        return OutcomeUnknown(request.operation, request.look)
    if request.idempotency is Idempotency.CHECK_FIRST:
        return Ambiguous(error, None)
    error.outcome_unknown = request.method != "GET"
    return error
