"""Request: one call of the API, and the typed error of a response that rejects it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Protocol, TypeVar

from attrs import define, field
from yarl import URL

from asyncsim import error_codes
from asyncsim.core.retry import Idempotency
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    BadRequest,
    ClientClosed,
    Conflict,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from asyncsim.http.content import Body, Permission
from asyncsim.http.transport import Response, Reuse
from asyncsim.wire.problems import decode_problem

MAX_RECORD_BYTES = 1_000_000
"""Bytes of the largest body, decoded, accepted for one record; they have a few thousand."""
MAX_PAGE_BYTES = 16_000_000
"""The same for a list page: 1,000 Programmable Wireless Sims have about 1,500,000."""
_MAX_REQUEST_ID = 100  # characters; the vendors' have 34 and 36

_ERRORS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    # A 4xx, but about the server or a gateway: RFC 9110, 15.5.9 and 15.5.20; RFC 8470, 5.2.
    408: ServerError,
    409: Conflict,
    421: ServerError,
    425: ServerError,
    429: RateLimited,
}


T = TypeVar("T")


class RequestLease(Permission, Protocol):
    """A permission to send changes, which ends unless its holder renews it in time."""

    def error(self, operation: str, *, sent: bool) -> AsyncSimError:
        """Build the error of a request that it no longer permits."""
        ...

    async def limit(self, operation: str, exchange: Awaitable[T]) -> T:
        """Await an exchange only while it lasts; then cancel it and raise the error."""
        ...


class Ambiguous(Exception):  # internal: `reconcile` resolves it by a read of the resource
    """A desired-state write may or may not have been carried out."""

    def __init__(self, error: AsyncSimError, retry_after: float | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after
        """Seconds that the response asked us to wait."""


def finish(signal: asyncio.Future[None]) -> None:
    """Set a signal; does nothing if it is set."""
    if not signal.done():
        signal.set_result(None)


@define(eq=False)
class Request:
    """One call of the API; `base` and `path` are already encoded.

    Its constant fields first, then its progress so far.
    """

    method: str
    product: str
    base: str
    path: str
    operation: str
    """For messages: `update Sim HS...`."""
    template: str = ""
    """The path without names, for events: `/v1/Sims/{sid}`."""
    query: str = ""
    body: Body | None = field(default=None, repr=False)  # holds the callback's ticket
    idempotency: Idempotency = Idempotency.SAFE
    urgent: bool = False
    """A scheduled read, which blocks waits: it goes first, and never sleeps through
    a Retry-After, because its scheduler can do other work meanwhile."""
    max_bytes: int = MAX_RECORD_BYTES
    """Bytes of the largest body, decoded, that is accepted."""
    reuse: Reuse | None = None
    """Which connections it may reuse, if not all."""
    pause_budget: float = math.inf
    """Seconds, from the first pause that the server requests, in which all pauses must end: the
    caller's own deadline."""
    send_by: float = math.inf
    """From when on, by the clock, it is not sent any more, not even for the first time."""
    lease: RequestLease | None = field(default=None, repr=False)
    """Without it, it is not sent any more, and a response in flight is not awaited."""
    no_retry: bool = False
    """Whether a failure is raised immediately: the sender's caller decides when to repeat it."""
    look: str = ""
    """For a create: how to find out whether it was carried out."""
    for_sim: str = ""
    """For a create: SID or name of the SIM that it is for."""

    pauses_end_by: float | None = None
    """When the pause budget ends, once the server has asked for a pause."""
    attempts: int = 0
    """How often it was sent."""
    in_flight: bool = False
    in_doubt: bool = False
    """An earlier attempt may have been carried out without our knowing."""
    succeeded: bool = False
    """It was carried out, and its response arrived."""
    halted: bool = False
    """A response in flight is still awaited; nothing more is sent."""
    halt_signal: asyncio.Future[None] | None = field(default=None, repr=False)
    """Done as soon as it is halted, to end a pause or a read between two attempts."""

    def halt(self) -> None:
        """Send nothing more: the client is closing, or the wait has ended."""
        self.halted = True
        if self.halt_signal is not None:
            finish(self.halt_signal)

    def closed(self, *, sent: bool) -> ClientClosed:
        """Build the error of a client that was closed before this request ended."""
        changes = self.method != "GET"
        return ClientClosed(self.operation, sent=sent and changes, look=self.look)

    @property
    def origin(self) -> URL:
        """The URL of the server."""
        return _split_base(self.base)[0]

    @property
    def url(self) -> URL:
        """The whole URL, exactly as sent."""
        if self.query:
            return URL(f"{self.base}{self.path}?{self.query}", encoded=True)
        root, prefix = _split_base(self.base)
        return root.with_path(prefix + self.path, encoded=True)


@lru_cache(maxsize=64)
def _split_base(base: str) -> tuple[URL, str]:
    # Requests to one host differ in their paths, and parsing the rest is three quarters of what a
    # URL costs (benchmarks/cases/requests.py).
    url = URL(base, encoded=True)
    return url, url.raw_path.rstrip("/")


def api_error(response: Response, operation: str, retry_after: float | None = None) -> APIError:
    """Build the typed error of a response; `operation` names the call in its message."""
    problem = decode_problem(response.body)
    status, headers = response.status, response.headers
    kind = _ERRORS.get(status, ServerError if status >= 500 else BadRequest)
    if problem.code in error_codes.CONFLICT:
        kind = Conflict
    request_id = headers.get("Twilio-Request-Id") or headers.get("X-Request-Id") or ""
    return kind(
        status,
        problem.code,
        problem.message,
        problem.more_info,
        request_id[:_MAX_REQUEST_ID] or None,
        asked=operation,
        retry_after=retry_after,
    )
