"""From a request to its answer: slot, login, attempts, typed errors. Knows no kind.

What `core.retry` decides is done here, and the waiting that it takes. A slot is never held
during a pause.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NoReturn

from attrs import define
from yarl import URL

from asyncsim.auth import Auth
from asyncsim.clock import Clock
from asyncsim.core.retry import Repeat, Verdict, judge_silence, judge_status, retry_after
from asyncsim.core.settings import RetryPolicy, Timeout
from asyncsim.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    Conflict,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    QueueTimeout,
    RateLimited,
    RequestTimeout,
    ServerError,
    TransportError,
)
from asyncsim.events import Event, LimitChanged, Observer, RequestFinished, RequestRetried, tell
from asyncsim.gate import Gate, GateClosed
from asyncsim.transport import FORM, Reply, Transport
from asyncsim.wire.problems import decode_problem

_CLASSES: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}
# Update while another one runs: Programmable Wireless and the Fleet of a Super SIM. 83010 says so
# too, but also "illegal transition": who asked must look (twilio.com/docs/api/errors).
_CONFLICTS = frozenset({33010, 83009})


class Ambiguous(Exception):  # internal: always answered by a look at the resource
    """A desired-state write may or may not have been carried out."""

    def __init__(self, error: APIError | TransportError) -> None:
        super().__init__(str(error))
        self.error = error


@define(eq=False)
class Request:
    """One call of the API, before it is sent; `base` and `path` are already encoded."""

    method: str
    product: str
    base: str
    path: str
    verb: str
    """For messages: `update Sim HS...`."""
    query: str = ""
    body: str | None = None
    repeat: Repeat = Repeat.SAFE
    urgent: bool = False
    look: str = ""
    """For a create: how to find out whether it was carried out."""
    attempts: int = 0
    """How often it went out."""
    in_flight: bool = False
    lost: bool = False
    """An earlier attempt may have been carried out without our knowing."""
    halted: bool = False
    """Set by who closes shop: the answer under way may still come, nothing goes out again."""

    @property
    def url(self) -> URL:
        """The whole URL, exactly as it goes out."""
        query = f"?{self.query}" if self.query else ""
        return URL(f"{self.base}{self.path}{query}", encoded=True)


def refusal(request: Request, reply: Reply) -> APIError:
    """Build the typed error of an answer."""
    problem = decode_problem(reply.body)
    kind = _CLASSES.get(reply.status, ServerError if reply.status >= 500 else BadRequest)
    if problem.code in _CONFLICTS:
        kind = Conflict
    request_id = reply.headers.get("Twilio-Request-Id") or reply.headers.get("X-Request-Id")
    return kind(
        reply.status,
        problem.code,
        problem.message,
        problem.more_info,
        request_id,
        asked=request.verb,
    )


class Sender:
    """Sends the requests of one client."""

    def __init__(
        self,
        *,
        transport: Transport,
        auth: Auth,
        gate: Gate,
        clock: Clock,
        retry: RetryPolicy,
        timeout: Timeout,
        observers: Sequence[Observer],
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._gate = gate
        self._clock = clock
        self._retry = retry
        self._timeout = timeout
        self._observers = observers

    async def send(self, request: Request) -> Reply:
        """Send until there is a final answer.

        Raises `APIError`, `TransportError`, `QueueTimeout`; for a write `Ambiguous`, for a
        create `OutcomeUnknown`.
        """
        attempt = _Attempt(self._clock.now() + self._timeout.queue)
        while True:
            generation = await self._enter(request, attempt)
            reply, silence = await self._exchange(request, attempt, generation)
            if reply is not None:
                verdict = judge_status(reply.status, request.repeat)
                if verdict is Verdict.DONE:
                    self._auth.accepted(generation)
                    return reply
                error: APIError | TransportError = refusal(request, reply)
            else:
                assert silence is not None  # noqa: S101  # one of the two is always there
                verdict, error = judge_silence(request.repeat, sent=silence.sent), silence
            request.lost |= silence.sent if silence is not None else isinstance(error, ServerError)
            await self._follow(verdict, error, request, attempt, reply, generation)

    async def _enter(self, request: Request, attempt: _Attempt) -> int:
        """Take a slot with a good login in hand; neither is waited for while holding the other."""
        while True:
            login = self._auth.current()
            if login is None:
                await self._auth.obtain()
                continue
            if attempt.front or not self._gate.try_enter():
                await self._queue(request, attempt)
            login = self._auth.current()
            if login is not None:
                attempt.authorization, generation = login
                return generation
            self._gate.left()  # the token ran out in the queue

    async def _queue(self, request: Request, attempt: _Attempt) -> None:
        try:
            await self._gate.enter(attempt.deadline, urgent=request.urgent, front=attempt.front)
        except GateClosed:
            raise QueueTimeout(request.verb, self._timeout.queue) from attempt.refused

    async def _exchange(
        self, request: Request, attempt: _Attempt, generation: int
    ) -> tuple[Reply | None, TransportError | None]:
        headers = {"Authorization": attempt.authorization}
        if request.body is not None:
            headers["Content-Type"] = FORM
        body = None if request.body is None else request.body.encode()
        request.attempts += 1
        request.in_flight = True
        started = self._clock.now()
        reply, silence = None, None
        try:
            reply = await self._transport.exchange(
                request.method, request.url, headers, body, request.verb
            )
        except TransportError as error:
            silence = error
        except BaseException:
            self._gate.left()
            raise
        finally:
            request.in_flight = False
        self._release(reply, silence, self._clock.now() - started)
        if self._observers:
            self._note(request, reply, silence, self._clock.now() - started)
        return reply, silence

    def _release(self, reply: Reply | None, silence: TransportError | None, seconds: float) -> None:
        if reply is not None and reply.status == 429:
            before = self._gate.limit.value
            self._gate.refused(retry_after(reply.headers.get("Retry-After")))
            limit = self._gate.limit
            if limit.value < before:
                tell(self._observers, LimitChanged(limit=limit.value, in_flight=limit.in_flight))
        elif reply is not None and reply.status < 500:
            self._gate.left(seconds)
        elif isinstance(silence, RequestTimeout):
            self._gate.timed_out()
        else:
            self._gate.left()

    async def _follow(
        self,
        verdict: Verdict,
        error: APIError | TransportError,
        request: Request,
        attempt: _Attempt,
        reply: Reply | None,
        generation: int,
    ) -> None:
        """Return when the request should go out again, else raise."""
        if request.halted and verdict is not Verdict.REFUSED:
            raise error
        attempt.front = verdict is Verdict.THROTTLED
        if verdict is Verdict.THROTTLED:
            attempt.refused = error
            self._tell_retry(request, 0.0, error)
            return
        if verdict is Verdict.LOG_IN and not attempt.logged_in and self._auth.refused(generation):
            attempt.logged_in = True
            self._tell_retry(request, 0.0, error)
            return
        if verdict is not Verdict.AGAIN:
            _give_up(verdict, error, request)
        attempt.failures += 1
        if attempt.failures >= self._retry.attempts:
            raise error
        await self.pause(attempt.failures, error, request, reply)

    async def pause(
        self,
        failures: int,
        error: APIError | TransportError,
        request: Request,
        reply: Reply | None = None,
    ) -> None:
        """Wait before the next attempt, holding nothing."""
        told = retry_after(reply.headers.get("Retry-After")) if reply is not None else None
        delay = self._retry.pause(failures, random.random()) if told is None else told  # noqa: S311  # jitter
        self._tell_retry(request, delay, error)
        await self._clock.sleep(delay)

    def _tell_retry(self, request: Request, delay: float, error: Exception) -> None:
        if self._observers:
            tell(
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
        self, request: Request, reply: Reply | None, silence: TransportError | None, seconds: float
    ) -> None:
        event: Event = RequestFinished(
            method=request.method,
            product=request.product,
            path=request.path,
            status=None if reply is None else reply.status,
            seconds=seconds,
            attempt=request.attempts,
            error=None if silence is None else silence.reason,
        )
        tell(self._observers, event)


@define(eq=False)
class _Attempt:
    """What one call remembers between its attempts."""

    deadline: float
    failures: int = 0
    front: bool = False
    logged_in: bool = False
    authorization: str = ""
    refused: Exception | None = None


def _give_up(verdict: Verdict, error: APIError | TransportError, request: Request) -> NoReturn:
    if verdict is Verdict.AMBIGUOUS:
        raise Ambiguous(error)
    if verdict is Verdict.UNKNOWN:
        raise OutcomeUnknown(request.verb, request.look) from error
    raise error
