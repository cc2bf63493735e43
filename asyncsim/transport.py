"""The one user of `ClientSession`: bytes out; status, headers and bytes back. Knows no kind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import TypeAlias, TypedDict

import aiohttp
from aiohttp import (
    BytesPayload,
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    Payload,
    TCPConnector,
    hdrs,
)
from attrs import define, field
from yarl import URL

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.core.settings import Timeout
from asyncsim.deadlines import Deadlines
from asyncsim.errors import (
    AsyncSimError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    RequestTimeout,
)
from asyncsim.version import __version__

USER_AGENT = f"asyncsim/{__version__} aiohttp/{aiohttp.__version__}"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class _Keywords(TypedDict, total=False):
    allow_redirects: bool
    data: Body
    headers: Mapping[str, str]
    middlewares: Sequence[ClientMiddlewareType]
    timeout: ClientTimeout
    raise_for_status: bool


class _Cut(aiohttp.ClientError):
    """A connection was cut; nothing that aiohttp itself would react to."""


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending a request again, unseen, when its connection is cut.

    It does that with GET and DELETE: a DELETE that was carried out would be answered 404.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never sent, and not repeated either
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Cut(type(error).__name__) from error


Body: TypeAlias = Payload
"""What a request carries: bytes and their type, which any number of requests may share."""


def form(text: str, content_type: str = FORM) -> Body:
    """Make a body; as a payload it brings its Content-Type along: cheaper than a header."""
    return BytesPayload(text.encode(), content_type=content_type)


@define(eq=False)  # not frozen: that would triple what making one costs, once for each request
class Reply:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # of the token endpoint: a secret


class Transport:
    """Owns a session, or borrows one of the user's, which it then never closes."""

    def __init__(self, session: ClientSession | None, timeout: Timeout, clock: Clock) -> None:
        self._session = session
        self._borrowed = session is not None
        self._closed = False
        self._clock = clock
        self._seconds = timeout
        self._timeout = ClientTimeout(total=None, sock_connect=timeout.connect)
        self._deadlines = Deadlines(timeout.request)
        self._carried: dict[str, str] = {}
        # Redirects are answers here: a credential must not follow them anywhere.
        self._always: _Keywords = {"allow_redirects": False}
        if session is not None:  # a session of ours has these for all of its requests
            self._always |= {"timeout": self._timeout, "raise_for_status": False}
        self._marks = clock is not SYSTEM_CLOCK

    def carry(self, header: str, value: str) -> bool:
        """Send a header with every request from now on; False in a session that is not ours.

        To merge headers into each request costs 2 % of it (benchmarks/cases/requests.py).
        """
        if not self._borrowed:
            self._carried[header] = value
        return not self._borrowed

    @property
    def connections(self) -> int:
        """How many a borrowed session may open at once; 0: any number."""
        connector = self._session.connector if self._session is not None else None
        if connector is None:
            return 0
        # All requests may go to one host, so the limit for each of them is one for all.
        limits = [one for one in (connector.limit, connector.limit_per_host) if one]
        return min(limits, default=0)

    def _open(self) -> ClientSession:
        # No limit here: the gate in front is the limit, and a request that waits for a pool
        # would use up its own timeout. No cookies: they would tie requests to each other.
        return ClientSession(
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            headers={
                hdrs.USER_AGENT: USER_AGENT,
                hdrs.ACCEPT: "application/json",
                **self._carried,
            },
            timeout=self._timeout,
            middlewares=(_once,),
        )

    def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Body | None,
        asked: str,
    ) -> Coroutine[None, None, Reply]:
        """Send one request and read its whole answer; `TransportError` if there is none."""
        exchange = self._exchange(method, url, headers, body, asked)
        return self._marked(exchange) if self._marks else exchange

    async def _marked(self, exchange: Coroutine[None, None, Reply]) -> Reply:
        with self._clock.working():
            return await exchange

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Body | None,
        asked: str,
    ) -> Reply:
        session, changes = self._usable(asked), method != "GET"
        try:
            task = self._deadlines.begin()
            try:
                # Awaited, not `async with`, which costs a tenth of the request: what a failing
                # `read` leaves open, it closes itself.
                reply = await session.request(method, url, **self._keywords(headers, body))
                content = await reply.read()
            except BaseException as error:
                if self._deadlines.end(task) and isinstance(error, asyncio.CancelledError):
                    raise TimeoutError from error
                raise
            self._deadlines.end(task)
            return Reply(reply.status, reply.headers, content)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise ConfigurationError(f"{asked}: no URL to use: {error}; check hosts=...") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            silence, cause = self._reword(error, asked, changes=changes), error
        except asyncio.CancelledError:
            if not self._closed or _is_being_cancelled():
                raise
            silence, cause = (
                ClientClosed(asked, sent=changes),
                None,
            )  # aiohttp ends a name's lookup like that
        # Outside of `except`, because aiohttp's error for an unreadable answer holds the request's
        # headers, and so the credential.
        raise silence from (None if isinstance(cause, aiohttp.ClientResponseError) else cause)

    def _keywords(self, headers: Mapping[str, str] | None, body: Body | None) -> _Keywords:
        """Choose what aiohttp is told: no more than is needed, as each keyword costs a little."""
        keywords = self._always.copy()
        if headers is not None:
            keywords["headers"] = headers
        if body is not None:
            keywords["data"] = body
            if not self._borrowed:
                keywords["middlewares"] = ()  # aiohttp never repeats a POST, so `_once` is idle
        return keywords

    def _usable(self, asked: str) -> ClientSession:
        session = self._session
        if self._closed:
            raise ClientClosed(asked)
        if session is not None and session.closed:
            raise ConfigurationError("the session given to this client is closed; make a new one")
        if session is None:
            session = self._session = self._open()
        return session

    def _reword(self, error: Exception, asked: str, *, changes: bool) -> AsyncSimError:
        if self._closed:
            return ClientClosed(asked, sent=changes)  # no TransportError: those are retried
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            reason = f"no connection within {self._seconds.connect:g} s"
            return RequestTimeout(asked, reason, sent=False)
        if isinstance(error, TimeoutError):
            return RequestTimeout(asked, f"no answer within {self._seconds.request:g} s")
        if isinstance(error, aiohttp.ClientConnectorError):
            where, why = f"{error.host}:{error.port}", _cause(error)
            return ConnectionFailed(asked, f"cannot connect to {where} ({why})", sent=False)
        name = str(error) if isinstance(error, _Cut) else type(error).__name__
        return ConnectionFailed(asked, f"connection lost ({name})")

    async def close(self) -> None:
        """Close the session, if it is ours; send nothing more."""
        self._closed = True
        self._deadlines.close()
        if self._session is not None and not self._borrowed:
            await self._session.close()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cause(error: aiohttp.ClientConnectorError) -> object:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):  # aiohttp 3.11: no os_error
        return error.certificate_error
    return error.os_error.strerror or error.os_error
