"""Sender: from a request to its response, with concurrency slot, login, retries and typed errors.

Independent of kinds. `core.retry` decides what follows an attempt; the sender carries it out, and
waits. A slot is never held during a pause: a paused request would block one that could be sent.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

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
from asyncsim.core.tokens import MAX_RENEWALS
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    ClientClosed,
    DecodeError,
    OutcomeUnknown,
    QueueTimeout,
    RequestTimeout,
    TransportError,
)
from asyncsim.events import Observer
from asyncsim.http.auth import Auth
from asyncsim.http.limiter import ConcurrencyLimiter, PauseTooLong, SlotTimeout, Waiter, reject
from asyncsim.http.request import Ambiguous, Request, api_error, finish
from asyncsim.http.request_events import RequestEvents
from asyncsim.http.transport import Response, Reuse, Transport
from asyncsim.wait_errors import TokenError


@define(eq=False)
class _Call:
    """What one `send` remembers between its attempts."""

    request: Request
    queue_deadline: float
    started: float
    """When it was last sent."""
    seconds: float = 0.0
    """How long the last attempt took."""
    failures: int = 0
    throttled: int = 0
    """429s."""
    at_front: bool = False
    logins: int = 0
    """Rejections after which a new login could help."""
    authorization: str = field(default="", repr=False)
    generation: int = 0
    error: APIError | TransportError | None = None
    """The error of the last failed attempt."""
    retry_after: float | None = None
    """The pause that the last response asked for."""


class Sender:
    """Sends the requests of one client."""

    def __init__(
        self,
        *,
        vendor: str,
        transport: Transport,
        auth: Auth,
        limiter: ConcurrencyLimiter,
        clock: Clock,
        retry: RetryPolicy,
        timeout: Timeout,
        observers: Sequence[Observer],
        on_success: Callable[[float], None] = lambda _: None,
        reread_login: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._limiter = limiter
        self._clock = clock
        self._retry = retry
        self._timeout = timeout
        self._observed = bool(observers)
        self._events = RequestEvents(vendor, observers, limiter, clock.now)
        self._on_success = on_success
        """Called with the start time of each request whose credentials were accepted."""
        self._reread_login = reread_login
        """Called when the credentials are rejected; returns whether it has rotated them."""
        self._set_default_header()
        self._closed = False
        self.requests = 0
        self.throttled = 0
        """Requests sent, each attempt counted."""
        self._queueing: set[Waiter] = set()
        self._pausing: set[asyncio.Future[None]] = set()

    def _set_default_header(self) -> None:
        header = self._auth.constant_header
        self._header_is_default = header is not None and self._transport.set_default_header(
            "Authorization", header
        )

    def rotate(self, user: str, secret: str) -> None:
        """Log in with these from now on; requests in flight finish."""
        self._auth.rotate(user, secret)
        self._set_default_header()

    @property
    def limit(self) -> float:
        """The current concurrency limit."""
        return self._limiter.limit.value

    @property
    def in_flight(self) -> int:
        """Requests in flight, of all clients that share the throttle."""
        return self._limiter.limit.in_flight

    @property
    def queued(self) -> int:
        """Requests of this client that wait for a slot."""
        return len(self._queueing)

    async def send(self, request: Request) -> Response:
        """Send, and retry, until there is a final response.

        Raises `APIError`, `TransportError`, `QueueTimeout`; for a write `Ambiguous`, for a
        create `OutcomeUnknown`.
        """
        now = self._clock.now()
        call = _Call(request, now + self._timeout.queue, now)
        while True:
            # The usual case first, without a coroutine: login available, slot free, queue empty.
            login = self._auth.current()
            if login is not None and call.error is None and self._limiter.try_acquire():
                call.authorization, call.generation = login
            else:
                await self._acquire(call)
                call.started = self._clock.now()
            # Another process may have said by now that the change was perhaps never sent.
            if call.started >= request.send_by:
                self._limiter.release()
                raise _too_late(request)
            # After the wait for a slot, which may take minutes.
            if (lease := request.lease) is not None and lease.ended:
                self._limiter.release()
                raise lease.error(request.operation, sent=request.in_doubt)
            exchange = self._exchange(call)
            if self._observed:
                exchange = self._events.exchange(request, exchange, lambda: call.error)
            response = await exchange
            if response is not None and 200 <= response.status < 300:  # as `decide_on_status`
                self._auth.accepted(call.generation, call.started, call.logins > 0)
                self._on_success(call.started)
                request.succeeded = True
                return response
            if response is None:
                sent = _may_be_done(call.error)
                decision = decide_without_response(request.idempotency, sent=sent)
            else:
                decision = decide_on_status(response.status, request.idempotency)
                if decision is RetryDecision.REJECTED:  # the request was, so the login was accepted
                    self._auth.accepted(call.generation, call.started, call.logins > 0)
                call.error = api_error(response, request.operation, call.retry_after)
            request.in_doubt |= _may_be_done(call.error)
            await self._prepare_retry(decision, call)

    async def _acquire(self, call: _Call) -> None:
        """Get a slot and a valid login; never wait for one while holding the other."""
        request = call.request
        while True:
            if self._auth.current() is None:
                began = self._clock.now()
                try:
                    await self._auth.obtain(self._login_deadline(call))
                except ClientClosed as closed:  # name the caller's request, not the token's
                    raise request.closed(sent=request.in_doubt) from closed
                except AuthenticationError:
                    if self._reread_login is None or not await self._reread_login():
                        raise
                call.queue_deadline += self._clock.now() - began  # time not spent in the queue
                continue
            if call.at_front or not self._limiter.try_acquire():
                await self._queue(call)
            login = self._auth.current()
            if login is None:  # it expired while in the queue
                self._limiter.release()
                continue
            if request.halted and call.error is not None:  # halted while queued for a retry
                self._limiter.release()
                raise call.error
            call.authorization, call.generation = login
            return

    async def _queue(self, call: _Call) -> None:
        request = call.request
        self._raise_if_closed(request, call.error)
        try:
            await self._limiter.acquire(
                call.queue_deadline,
                urgent=request.urgent,
                front=call.at_front,
                group=self._queueing,
                latest=self._pause_deadline(request),
            )
        except SlotTimeout as timeout:
            self._raise_if_closed(request, call.error)
            raise QueueTimeout(
                request.operation,
                self._timeout.queue,
                sent=request.in_doubt,
                retry_after=timeout.seconds if isinstance(timeout, PauseTooLong) else None,
            ) from call.error

    async def _exchange(self, call: _Call) -> Response | None:
        """Send once and release the slot; None if no response came, the reason is `call.error`."""
        request, response = call.request, None
        headers = None if self._header_is_default else {"Authorization": call.authorization}
        request.attempts += 1
        self.requests += 1
        request.in_flight = True
        try:
            exchange = self._transport.exchange(
                request.method,
                request.url,
                headers,
                request.body,
                request.operation,
                request.max_bytes,
                request.reuse,
                request.lease,
            )
            if request.lease is not None:
                exchange = request.lease.limit(request.operation, exchange)
            response = await exchange
        except TransportError as error:
            call.error = error
        except DecodeError as error:
            # A success that cannot be read is treated like a lost response.
            self._limiter.release()
            request.in_doubt = True
            if request.idempotency is Idempotency.UNSAFE:
                raise OutcomeUnknown(request.operation, request.look) from error
            if request.idempotency is Idempotency.CHECK_FIRST:
                raise Ambiguous(error, None) from error
            error.outcome_unknown = request.method != "GET"
            raise
        except ClientClosed as closed:
            self._limiter.release()
            request.in_doubt |= closed.sent
            raise request.closed(sent=request.in_doubt) from closed
        except BaseException:
            self._limiter.release()
            request.in_doubt = True  # cancelled: its response is not awaited
            raise
        finally:
            request.in_flight = False
        ended = self._clock.now()
        call.seconds = ended - call.started
        if response is not None and response.status < 300:
            self._limiter.release(call.seconds, ended)
        else:
            self._release_after_failure(response, call)
        return response

    def _release_after_failure(self, response: Response | None, call: _Call) -> None:
        call.retry_after = None
        if response is None:
            if isinstance(call.error, RequestTimeout):
                self._limiter.timed_out()
            else:
                self._limiter.release()
            return
        call.retry_after = retry_after(response.headers, self._clock.utcnow)
        if response.status == 429:
            self.throttled += 1  # not by an observer: a display begins long after the client
            limit = self._limiter.limit
            before = limit.value
            # No request waits for longer than `longest_pause`, no matter which one was told to.
            self._limiter.throttled(min(call.retry_after or 0.0, self._retry.longest_pause))
            if limit.value < before:
                self._events.limit_lowered()
        elif may_have_been_processed(response.status):
            self._limiter.release()  # a failing server says nothing about the limit
        else:
            self._limiter.release(call.seconds)

    async def _prepare_retry(self, decision: RetryDecision, call: _Call) -> None:
        """Return when the request should be retried, else raise."""
        request, error = call.request, call.error
        assert error is not None  # noqa: S101  # each failed attempt sets one
        if request.halted and decision is not RetryDecision.OUTCOME_UNKNOWN:
            raise error
        call.at_front = decision is RetryDecision.THROTTLED
        if decision is RetryDecision.THROTTLED:
            await self._wait_after_429(call, error)
            return
        if decision is RetryDecision.RENEW_LOGIN and await self._renew_login(call, error):
            self._events.retried(request, 0.0, error)
            return
        if decision is RetryDecision.AMBIGUOUS:
            raise Ambiguous(error, call.retry_after)
        if decision is RetryDecision.OUTCOME_UNKNOWN:
            raise OutcomeUnknown(request.operation, request.look) from error
        call.failures += 1
        attempts = 1 if request.no_retry else self._retry.attempts
        if decision is not RetryDecision.RETRY or call.failures >= attempts:
            raise error
        if isinstance(error, APIError) and error.status == WRONG_CONNECTION:
            request.reuse = Reuse.NONE
        paused = await self.pause(call.failures, error, request, call.retry_after)
        call.queue_deadline += call.seconds + paused  # time not spent in the queue
        if request.halted:
            raise error

    async def _wait_after_429(self, call: _Call, error: AsyncSimError) -> None:
        """Put it back at the front of the queue, without a pause unless the server says 0."""
        call.throttled += 1
        left = call.queue_deadline - self._clock.now()
        if call.retry_after:
            self._check_pause(call.retry_after, call.request, error, left)
        if call.retry_after == 0.0:
            # "Retry now", which thousands of requests may get: without jitter it would be
            # throttled again, and to pause all requests for each such 429 would cost much more.
            delay = min(self._backoff(call.throttled, 0.0), left)
            await self._pause(delay, error, call.request)
        else:
            self._events.retried(call.request, 0.0, error)

    async def _renew_login(self, call: _Call, error: APIError | TransportError) -> bool:
        """Tell whether a rejected login is worth another attempt; may wait to find out."""
        if not isinstance(error, APIError) or call.logins >= MAX_RENEWALS:
            return False
        call.logins += 1
        began = self._clock.now()
        try:
            renewed = await self._auth.rejected(call.generation, error, self._login_deadline(call))
            if not renewed and self._reread_login is not None:
                renewed = await self._reread_login()
        except ClientClosed as closed:
            raise call.request.closed(sent=call.request.in_doubt) from closed
        call.queue_deadline += self._clock.now() - began
        return renewed

    def _login_deadline(self, call: _Call) -> float:
        """When a call without a login gives up: its queue deadline, or its caller's."""
        # A request that never pauses may still wait for a token, as it waits for a response.
        budget = call.request.pause_budget or self._timeout.request
        return min(call.queue_deadline, call.request.pauses_end_by or self._clock.now() + budget)

    def _pause_deadline(self, request: Request) -> float:
        """When the pauses that the server asks for must have ended."""
        if request.pauses_end_by is not None:
            return request.pauses_end_by
        return self._clock.now() + (0.0 if request.urgent else request.pause_budget)

    def _check_pause(
        self, seconds: float, request: Request, error: AsyncSimError, left: float = math.inf
    ) -> None:
        """Raise the error if the server asks for a pause that is longer than the caller waits."""
        latest = self._pause_deadline(request)
        if seconds > min(self._retry.longest_pause, left, latest - self._clock.now()):
            raise error
        # From its first pause on: a server must not exceed it by one pause after another.
        request.pauses_end_by = latest

    async def pause(
        self,
        failures: int,
        error: AsyncSimError,
        request: Request,
        retry_after: float | None = None,
    ) -> float:
        """Wait before the next attempt, holding no slot; return the seconds waited.

        Raises the error at once if that is longer than the policy, or the request, allows.
        """
        if retry_after:
            self._check_pause(retry_after, request, error)
        delay = self._backoff(failures, retry_after)
        await self._pause(delay, error, request)
        return delay

    def _backoff(self, failures: int, retry_after: float | None) -> float:
        return self._retry.pause(failures, random.random(), retry_after)  # noqa: S311  # no secret

    async def _pause(self, delay: float, error: AsyncSimError, request: Request) -> None:
        self._raise_if_closed(request, error)
        self._events.retried(request, delay, error)
        if delay <= 0:
            await asyncio.sleep(0)
        else:  # a future, so that closing the client can end it
            over = asyncio.get_running_loop().create_future()
            timer = self._clock.call_at(self._clock.now() + delay, partial(finish, over))
            self._pausing.add(over)
            try:
                await over
            finally:
                timer.cancel()
                self._pausing.discard(over)
        self._raise_if_closed(request, error)

    def _raise_if_closed(self, request: Request, error: Exception | None) -> None:
        if self._closed:
            raise request.closed(sent=request.in_doubt) from error

    async def close(self) -> None:
        """End paused and queued calls; the transport ends those in flight."""
        self._closed = True
        reject(self._queueing)
        for over in self._pausing:
            finish(over)


def _too_late(request: Request) -> TokenError:
    what = "resent" if request.in_doubt else "sent: nothing was sent"
    return TokenError(f"{request.operation}: its deadline passed before it could be {what}")


def _may_be_done(error: APIError | TransportError | None) -> bool:
    if isinstance(error, TransportError):
        return error.sent
    return error is not None and may_have_been_processed(error.status)
