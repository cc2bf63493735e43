"""Transport: the only user of `ClientSession`. Bytes out; status, headers and bytes back.

Independent of kinds, login and retries. Every aiohttp error becomes an error of this package.
"""

from __future__ import annotations

import asyncio
import enum
import ssl
import zlib
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypedDict

import aiohttp
from aiohttp import (
    BaseConnector,
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
)
from attrs import define, field
from yarl import URL

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.core.settings import Timeout
from asyncsim.errors import (
    AsyncSimError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    RequestTimeout,
)
from asyncsim.http import content
from asyncsim.http.content import Body, Permission, SendProgress, send_progress
from asyncsim.http.proxies import Proxies
from asyncsim.version import __version__

USER_AGENT = f"asyncsim/{__version__} aiohttp/{aiohttp.__version__}"
MAX_SMALL_BYTES = 65_536
"""Bytes of the largest body, decoded, that is read by default, for access tokens and
errors, which are truncated there."""

_RECENT = 1.0  # seconds; Node and Apache close a connection that was idle for 5
_NO_REUSE_AFTER_LOSS = 60.0  # seconds after a lost create for which `RECENT` means `NONE`
_MAX_PROXY_REASON = 100  # characters of a proxy's reason in a message
_PROXY_AUTHENTICATION_REQUIRED = 407
# What aiohttp raises for an invalid URL or header.
_UNSENDABLE = (ValueError, TypeError, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


class Reuse(enum.Enum):
    """Which connections a request may reuse, if not all."""

    RECENT = "recent"
    """Used within the last second. A server may close an idle connection in the very moment in
    which a request is sent on it, and a request lost like that may have been carried out."""
    NONE = "none"
    """A new one."""


class _Options(TypedDict, total=False):
    """Keywords of `ClientSession.request`."""

    allow_redirects: bool
    auto_decompress: bool
    data: Body
    headers: Mapping[str, str]
    middlewares: Sequence[ClientMiddlewareType]
    proxy: URL
    proxy_headers: Mapping[str, str]
    timeout: ClientTimeout
    raise_for_status: bool


class _ConnectionLost(aiohttp.ClientError):
    """A connection was lost; a class that aiohttp itself does not react to."""


async def _no_hidden_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from silently resending a request when its connection is lost.

    It does that with GET and DELETE: a DELETE that was carried out would then get a 404.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never sent, so aiohttp does not resend it either
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLost(type(error).__name__) from error


@define(eq=False)  # not frozen: that would triple the cost of creating one per request
class Response:
    """A response, with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # of the token endpoint: a secret


class RequestDeadlines:
    """Cancels the task of a request that has not ended in time, as aiohttp's own timer does.

    All requests of a client have equally long, so they expire in the order in which they began: a
    dict and one timer do. A timer for each, as aiohttp's `total` has it, is a heap whose
    comparisons run in Python: 5 % of a GET (benchmarks/cases/requests.py).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[asyncio.Task[Any], float] = {}
        """Task -> when its request must have ended; the oldest first."""
        self._expired: dict[asyncio.Task[Any], int] = {}
        """Task cancelled here -> earlier cancellation requests of others."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """Start the deadline of a request that the running task is about to send."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101  # only tasks can await
        self._running[task] = when = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(when, self._on_timer)
        return task

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Stop it; returns whether time had run out, and nothing else had cancelled the task."""
        if self._running.pop(task, None) is not None:
            return False
        return task.uncancel() <= self._expired.pop(task)

    def _on_timer(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            task, when = next(iter(self._running.items()))
            if when > now:
                self._timer = loop.call_at(when, self._on_timer)
                return
            del self._running[task]
            self._expired[task] = task.cancelling()
            task.cancel()

    def close(self) -> None:
        """Cancel the timer when no request is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Transport:
    """Owns its sessions, or uses one that the user gave and never closes that."""

    def __init__(
        self,
        session: ClientSession | None,
        timeout: Timeout,
        clock: Clock,
        proxies: Proxies | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._session = session
        self._tls = tls or True  # True: aiohttp's own, which trusts the system's certificates
        self._unshared: dict[Reuse, ClientSession] = {}
        """Sessions with connections of their own, for requests with restricted reuse."""
        self._no_reuse_until = 0.0
        self._borrowed = session is not None
        self._closed = False
        self._clock = clock
        self._seconds = timeout
        # `connect` also covers the name lookup, a proxy and a full pool.
        self._timeout = ClientTimeout(
            total=None, connect=timeout.connect, sock_connect=timeout.connect
        )
        self._deadlines = RequestDeadlines(timeout.request)
        self._default_headers: dict[str, str] = {}
        # Redirects are responses here: a credential must not follow them anywhere.
        self._options: _Options = {"allow_redirects": False}
        if session is not None:  # our own sessions set these for all requests
            self._options |= {
                "timeout": self._timeout,
                "raise_for_status": False,
                "auto_decompress": False,
            }
        self._proxies = proxies or None
        self._tracked = clock is not SYSTEM_CLOCK

    def set_default_header(self, name: str, value: str) -> bool:
        """Send a header with every request from now on; False if each must set it itself.

        Merging headers into each request costs 2 % of it (benchmarks/cases/requests.py). But to a
        proxy aiohttp sends a session's headers as well, Authorization as the proxy's own.
        """
        if self._borrowed or self._proxies is not None:
            return False
        self._default_headers[name] = value
        for session in (self._session, *self._unshared.values()):
            if session is not None:
                session.headers[name] = value  # requests in flight have theirs already
        return True

    @property
    def max_connections(self) -> int:
        """How many connections a user's session may open; 0: any number."""
        connector = self._session.connector if self._session is not None else None
        if connector is None:
            return 0
        # All requests may go to one host, so the per-host limit limits all.
        limits = [one for one in (connector.limit, connector.limit_per_host) if one]
        return min(limits, default=0)

    def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Body | None,
        operation: str,
        max_bytes: int = MAX_SMALL_BYTES,
        reuse: Reuse | None = None,
        permission: Permission | None = None,
    ) -> Coroutine[None, None, Response]:
        """Send one request and read its whole response; `TransportError` if there is none.

        `DecodeError` if the body of a success is larger than `max_bytes`, or encoded unreadably.
        `operation` names the call in error messages. Once `permission` has ended, its body is not
        sent.
        """
        exchange = self._exchange(
            method, url, headers, body, operation, max_bytes, reuse, permission
        )
        # A manual clock must not move while a request is in flight. The real one need not know,
        # and a second coroutine would cost each request something.
        return self._track(exchange) if self._tracked else exchange

    async def _track(self, exchange: Coroutine[None, None, Response]) -> Response:
        with self._clock.working():
            return await exchange

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Body | None,
        operation: str,
        max_bytes: int,
        reuse: Reuse | None,
        permission: Permission | None,
    ) -> Response:
        session, progress = self._session_for(reuse, operation), None
        if body is not None:
            progress = SendProgress()
            progress.permission = permission
            send_progress.set(progress)
        try:
            task = self._deadlines.begin()
            try:
                # Awaited, not `async with`, which costs a tenth of the request: what a failing
                # `read` leaves open, it closes itself.
                response = await session.request(
                    method, url, **self._request_options(url, headers, body)
                )
                if response.content.is_eof():  # here already, as small ones mostly are
                    received = await response.read()
                else:
                    received = await content.read_up_to(response, max_bytes + 1)
            except BaseException as error:
                if self._deadlines.end(task) and isinstance(error, asyncio.CancelledError):
                    raise TimeoutError from error
                raise
            self._deadlines.end(task)
            if (
                response.status >= 300
                or len(received) > max_bytes
                or received[:1] not in content.JSON_BEGINS
            ):
                received = _decoded(response, received, max_bytes, url, operation)
            return Response(response.status, response.headers, received)
        except AsyncSimError:
            raise
        except Exception as error:  # noqa: BLE001  # the caller gets our error for any of aiohttp's
            sent = progress is None or progress.begun
            if sent and reuse is Reuse.RECENT and not isinstance(error, TimeoutError):
                # This server closes connections sooner than most: a second create is not risked.
                self._no_reuse_until = asyncio.get_running_loop().time() + _NO_REUSE_AFTER_LOSS
            failure, cause = self._translate(error, operation, url, method != "GET", sent)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not self._closed or (current is not None and current.cancelling()):
                raise
            # The task itself was not cancelled: closing the session ends a name lookup like that.
            failure, cause = ClientClosed(operation, sent=method != "GET"), None
        # Outside of `except`, because aiohttp's errors hold the credentials: that for an unreadable
        # response the headers of the request, that of a proxy its password.
        raise failure from cause

    def _request_options(
        self, url: URL, headers: Mapping[str, str] | None, body: Body | None
    ) -> _Options:
        """Choose aiohttp's keywords: only those needed, as each costs a little."""
        options = self._options.copy()
        if self._proxies is not None and (proxy := self._proxies.proxy_for(url)) is not None:
            options["proxy"] = proxy.url
            if url.scheme == "https":
                options["proxy_headers"] = proxy.headers  # for CONNECT; the rest is the server's
            else:
                headers = {**(headers or {}), **proxy.headers}
        if self._borrowed:
            options["headers"] = {hdrs.ACCEPT_ENCODING: content.ACCEPT_ENCODING, **(headers or {})}
        elif headers is not None:
            options["headers"] = headers
        if body is not None:
            options["data"] = body
            if not self._borrowed:
                options["middlewares"] = ()  # aiohttp never resends a POST: saves a call
        return options

    def _session_for(self, reuse: Reuse | None, operation: str) -> ClientSession:
        session = self._session
        if self._closed:
            raise ClientClosed(operation)
        if session is not None and session.closed:
            raise ConfigurationError("the session given to this client is closed; create a new one")
        if session is None:
            # No limit here: the concurrency limiter decides, by priority.
            session = self._session = self._open_session(TCPConnector(limit=0, ssl=self._tls))
        if reuse is None or self._borrowed:
            return session
        if reuse is Reuse.RECENT and asyncio.get_running_loop().time() < self._no_reuse_until:
            reuse = Reuse.NONE
        if reuse not in self._unshared:
            if reuse is Reuse.RECENT:
                connector = TCPConnector(limit=0, ssl=self._tls, keepalive_timeout=_RECENT)
            else:
                connector = TCPConnector(limit=0, ssl=self._tls, force_close=True)
            self._unshared[reuse] = self._open_session(connector)
        return self._unshared[reuse]

    def _open_session(self, connector: BaseConnector) -> ClientSession:
        return ClientSession(
            connector=connector,
            auto_decompress=False,  # without limit: see `content`
            cookie_jar=DummyCookieJar(),  # cookies would couple requests to each other
            headers={
                hdrs.USER_AGENT: USER_AGENT,
                hdrs.ACCEPT: "application/json",
                hdrs.ACCEPT_ENCODING: content.ACCEPT_ENCODING,
                **self._default_headers,
            },
            timeout=self._timeout,
            middlewares=(_no_hidden_retry,),
        )

    def _translate(
        self, error: Exception, operation: str, url: URL, changes: bool, sent: bool
    ) -> tuple[AsyncSimError, BaseException | None]:
        """Convert an aiohttp error to one of ours, and the cause it may show."""
        if self._closed:  # no TransportError: those are retried
            return ClientClosed(operation, sent=changes and sent), None
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            reason = f"no connection within {self._seconds.connect:g} s"
            if self._borrowed:
                reason += " (perhaps the connection pool of your session is exhausted)"
            return RequestTimeout(operation, reason, sent=False), error
        if isinstance(error, TimeoutError):
            what = "response" if sent else "connection"
            reason = f"no {what} within {self._seconds.request:g} s"
            return RequestTimeout(operation, reason, sent=sent), error
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return ConnectionFailed(operation, _proxy_refusal(url, error), sent=False), None
        if isinstance(error, aiohttp.ClientConnectorError):
            proxy = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
            # The certificate error of aiohttp 3.11 has no os_error.
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                cause: Exception = error.certificate_error
            else:
                cause = error.os_error
            why = getattr(cause, "strerror", None) or cause
            reason = f"cannot connect to {proxy}{error.host}:{error.port} ({why})"
            return ConnectionFailed(operation, reason, sent=False), cause
        if isinstance(error, _UNSENDABLE) and (not changes or not sent):
            reason = f"{operation}: cannot be sent: {error}; check hosts=... and the credentials"
            return ConfigurationError(reason), error
        name = str(error) if isinstance(error, _ConnectionLost) else type(error).__name__
        what = f"connection lost ({name})" if sent else f"no connection ({name})"
        # A ClientResponseError holds the request's headers, Authorization among them.
        shown = None if isinstance(error, aiohttp.ClientResponseError) else error
        return ConnectionFailed(operation, what, sent=sent), shown

    async def close(self) -> None:
        """Close our own sessions; send nothing more."""
        self._closed = True
        self._deadlines.close()
        ours = [*self._unshared.values()]
        if self._session is not None and not self._borrowed:
            ours.append(self._session)
        for session in ours:
            await session.close()


def _proxy_refusal(url: URL, refusal: ClientResponse | aiohttp.ClientHttpProxyError) -> str:
    if isinstance(refusal, aiohttp.ClientHttpProxyError):
        text = refusal.message
    else:
        text = refusal.reason or ""
    status = f"{refusal.status} {text[:_MAX_PROXY_REASON]}".strip()
    remedy = "check its address and its credentials"
    return f"the proxy refused to connect to {url.host}:{url.port} ({status}); {remedy}"


def _decoded(
    response: ClientResponse, received: bytes, max_bytes: int, url: URL, operation: str
) -> bytes:
    """Decode a body, and reject one that is too large; an error's body is truncated instead."""
    # A forwarding proxy that wants other credentials did not forward: the server never saw the
    # request. With a tunnelling proxy, aiohttp raises.
    if response.status == _PROXY_AUTHENTICATION_REQUIRED:
        raise ConnectionFailed(operation, _proxy_refusal(url, response), sent=False)
    success = response.status < 300
    max_bytes = max_bytes if success else min(max_bytes, MAX_SMALL_BYTES)
    try:
        encoding = response.headers.get(hdrs.CONTENT_ENCODING, "")
        body = content.decode(received, encoding, max_bytes + 1)
        if success and len(body) > max_bytes:
            raise ValueError(f"it is larger than {max_bytes:,} bytes")
    except (ValueError, zlib.error) as error:
        if success:
            raise DecodeError(f"the response to {operation}", str(error)) from None
        return b""  # the status is enough
    return body[:max_bytes]
