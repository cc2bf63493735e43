"""The one user of `ClientSession`: bytes out; status, headers and bytes back. Knows no kind."""

from __future__ import annotations

import asyncio
import enum
import zlib
from collections.abc import Coroutine, Mapping, Sequence
from contextvars import ContextVar
from typing import TypeAlias, TypedDict

import aiohttp
from aiohttp import (
    BaseConnector,
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
from aiohttp.abc import AbstractStreamWriter
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
from asyncsim.http.deadlines import Deadlines
from asyncsim.http.proxies import Proxies
from asyncsim.version import __version__

USER_AGENT = f"asyncsim/{__version__} aiohttp/{aiohttp.__version__}"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SMALL = 65_536
"""Bytes, decoded, of the largest body that is read where none has reason to be larger: errors,
which are cut there, and access tokens."""
_ENCODINGS = "gzip, deflate"  # those decoded here; others may be decoded by aiohttp, without limit


class Reuse(enum.Enum):
    """Which connections a request may take, if not any."""

    RECENT = "recent"
    """Used within the last second, so hardly one that its server is about to close for idleness:
    what is lost with a connection may have been carried out."""
    NONE = "none"
    """A new one."""


_RECENT = 1.0  # seconds
_LONGEST_REASON = 100  # characters of a proxy's words
_DISTRUST = 60.0  # seconds for which one lost create makes `RECENT` mean `NONE`


class _Keywords(TypedDict, total=False):
    allow_redirects: bool
    auto_decompress: bool
    data: Body
    headers: Mapping[str, str]
    middlewares: Sequence[ClientMiddlewareType]
    proxy: URL
    proxy_headers: Mapping[str, str]
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


class _Written:
    """Whether the body of one request has begun to go out: until then its server has nothing."""

    begun = False


_written: ContextVar[_Written] = ContextVar("asyncsim_written")


class _Body(BytesPayload):
    """Tells the request whose turn it is that it goes out; many requests may share one body."""

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        _written.get().begun = True
        await super().write_with_length(writer, content_length)


def make_body(text: str, content_type: str = FORM) -> Body:
    """Make a body; as a payload it brings its Content-Type along: cheaper than a header."""
    return _Body(text.encode(), content_type=content_type)


@define(eq=False)  # not frozen: that would triple what making one costs, once for each request
class Response:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # of the token endpoint: a secret


class Transport:
    """Owns a session, or borrows one of the user's, which it then never closes."""

    def __init__(
        self,
        session: ClientSession | None,
        timeout: Timeout,
        clock: Clock,
        proxies: Proxies | None = None,
    ) -> None:
        self._session = session
        self._others: dict[Reuse, ClientSession] = {}
        self._distrusted_until = 0.0
        self._borrowed = session is not None
        self._closed = False
        self._clock = clock
        self._seconds = timeout
        # `connect` also covers the look-up of the name, a proxy and a pool that is full.
        self._timeout = ClientTimeout(
            total=None, connect=timeout.connect, sock_connect=timeout.connect
        )
        self._deadlines = Deadlines(timeout.request)
        self._carried: dict[str, str] = {}
        # Redirects are answers here: a credential must not follow them anywhere.
        self._always: _Keywords = {"allow_redirects": False}
        if session is not None:  # a session of ours has these for all of its requests
            self._always |= {
                "timeout": self._timeout,
                "raise_for_status": False,
                "auto_decompress": False,
            }
        self._proxies = proxies or None
        self._marks = clock is not SYSTEM_CLOCK

    def carry(self, header: str, value: str) -> bool:
        """Send a header with every request from now on; False where each must bring it itself.

        To merge headers into each request costs 2 % of it (benchmarks/cases/requests.py). But to a
        proxy aiohttp sends a session's headers as well, Authorization as the proxy's own.
        """
        if self._borrowed or self._proxies is not None:
            return False
        self._carried[header] = value
        return True

    @property
    def connections(self) -> int:
        """How many a borrowed session may open at once; 0: any number."""
        connector = self._session.connector if self._session is not None else None
        if connector is None:
            return 0
        # All requests may go to one host, so the limit for each of them is one for all.
        limits = [one for one in (connector.limit, connector.limit_per_host) if one]
        return min(limits, default=0)

    def _open(self, connector: BaseConnector) -> ClientSession:
        # No cookies: they would tie requests to each other.
        return ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            headers={
                hdrs.USER_AGENT: USER_AGENT,
                hdrs.ACCEPT: "application/json",
                hdrs.ACCEPT_ENCODING: _ENCODINGS,
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
        most: int = SMALL,
        reuse: Reuse | None = None,
    ) -> Coroutine[None, None, Response]:
        """Send one request and read its whole response; `TransportError` if there is none.

        `DecodeError` if the body of a success is larger than `most` bytes, or packed unreadably.
        """
        exchange = self._exchange(method, url, headers, body, asked, most, reuse)
        return self._marked(exchange) if self._marks else exchange

    async def _marked(self, exchange: Coroutine[None, None, Response]) -> Response:
        with self._clock.working():
            return await exchange

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: Body | None,
        asked: str,
        most: int,
        reuse: Reuse | None,
    ) -> Response:
        session, written = self._usable(asked, reuse), None
        if body is not None:
            written = _Written()
            _written.set(written)
        try:
            task = self._deadlines.begin()
            try:
                # Awaited, not `async with`, which costs a tenth of the request: what a failing
                # `read` leaves open, it closes itself.
                response = await session.request(method, url, **self._keywords(url, headers, body))
                if response.content.is_eof():  # here already, as small ones mostly are
                    content = await response.read()
                else:
                    content = await _read_up_to(response, most + 1)
            except BaseException as error:
                if self._deadlines.end(task) and isinstance(error, asyncio.CancelledError):
                    raise TimeoutError from error
                raise
            self._deadlines.end(task)
            if response.status >= 300 or len(content) > most or content[:1] not in _JSON_BEGINS:
                content = _checked(response, content, most, url, asked)
            return Response(response.status, response.headers, content)
        except AsyncSimError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever aiohttp fails with, the caller gets ours
            sent = written is None or written.begun
            if sent and reuse is Reuse.RECENT and not isinstance(error, TimeoutError):
                self._distrusted_until = asyncio.get_running_loop().time() + _DISTRUST
            silence, cause = self._reword(error, asked, url, method != "GET", sent)
        except asyncio.CancelledError:
            if not self._closed or _is_being_cancelled():
                raise
            # aiohttp ends a name's lookup like that.
            silence, cause = ClientClosed(asked, sent=method != "GET"), None
        # Outside of `except`, because aiohttp's errors hold the credentials: that for an unreadable
        # response the headers of the request, that of a proxy its password.
        raise silence from cause

    def _keywords(
        self, url: URL, headers: Mapping[str, str] | None, body: Body | None
    ) -> _Keywords:
        """Choose what aiohttp is told: no more than is needed, as each keyword costs a little."""
        keywords = self._always.copy()
        if self._proxies is not None and (proxy := self._proxies.of(url)) is not None:
            keywords["proxy"] = proxy.url
            if url.scheme == "https":
                keywords["proxy_headers"] = proxy.login  # with CONNECT
            else:
                headers = {**(headers or {}), **proxy.login}
        if self._borrowed:
            keywords["headers"] = {hdrs.ACCEPT_ENCODING: _ENCODINGS, **(headers or {})}
        elif headers is not None:
            keywords["headers"] = headers
        if body is not None:
            keywords["data"] = body
            if not self._borrowed:
                keywords["middlewares"] = ()  # aiohttp never repeats a POST, so `_once` is idle
        return keywords

    def _usable(self, asked: str, reuse: Reuse | None) -> ClientSession:
        session = self._session
        if self._closed:
            raise ClientClosed(asked)
        if session is not None and session.closed:
            raise ConfigurationError("the session given to this client is closed; make a new one")
        if session is None:
            # No limit here: the gate in front is the limit.
            session = self._session = self._open(TCPConnector(limit=0))
        if reuse is None or self._borrowed:
            return session
        if reuse is Reuse.RECENT and asyncio.get_running_loop().time() < self._distrusted_until:
            reuse = Reuse.NONE
        return self._others.get(reuse) or self._open_other(reuse)

    def _open_other(self, reuse: Reuse) -> ClientSession:
        """Open a session whose connections no other requests share."""
        if reuse is Reuse.RECENT:
            connector = TCPConnector(limit=0, keepalive_timeout=_RECENT)
        else:
            connector = TCPConnector(limit=0, force_close=True)
        session = self._others[reuse] = self._open(connector)
        return session

    def _reword(
        self, error: Exception, asked: str, url: URL, changes: bool, sent: bool
    ) -> tuple[AsyncSimError, BaseException | None]:
        """Make one of our errors, and the cause it may show, of one of aiohttp's."""
        if self._closed:  # no TransportError: those are retried
            return ClientClosed(asked, sent=changes and sent), None
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            reason = f"no connection within {self._seconds.connect:g} s"
            if self._borrowed:
                reason += " (perhaps the session given to this client has none left)"
            return RequestTimeout(asked, reason, sent=False), error
        if isinstance(error, TimeoutError):
            what = "response" if sent else "connection"
            reason = f"no {what} within {self._seconds.request:g} s"
            return RequestTimeout(asked, reason, sent=sent), error
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return ConnectionFailed(asked, _refused_by_proxy(url, error), sent=False), None
        if isinstance(error, aiohttp.ClientConnectorError):
            proxy = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
            cause = _cause(error)
            why = getattr(cause, "strerror", None) or cause
            reason = f"cannot connect to {proxy}{error.host}:{error.port} ({why})"
            return ConnectionFailed(asked, reason, sent=False), cause
        if isinstance(error, _UNSENDABLE) and (not changes or not sent):
            reason = f"{asked}: it cannot be sent: {error}; check hosts=... and the credentials"
            return ConfigurationError(reason), error
        name = str(error) if isinstance(error, _Cut) else type(error).__name__
        what = f"connection lost ({name})" if sent else f"no connection ({name})"
        lasting = None if isinstance(error, aiohttp.ClientResponseError) else error
        return ConnectionFailed(asked, what, sent=sent), lasting

    async def close(self) -> None:
        """Close the sessions that are ours; send nothing more."""
        self._closed = True
        self._deadlines.close()
        ours = [*self._others.values()]
        if self._session is not None and not self._borrowed:
            ours.append(self._session)
        for session in ours:
            await session.close()


_PROXY_LOGIN = 407
# No packed JSON begins like that: to look for the header of each response would cost 2 % of it.
_JSON_BEGINS = b"{["
# What aiohttp raises at a URL or a header that is none.
_UNSENDABLE = (ValueError, TypeError, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


def _refused_by_proxy(url: URL, said: ClientResponse | aiohttp.ClientHttpProxyError) -> str:
    text = said.message if isinstance(said, aiohttp.ClientHttpProxyError) else said.reason
    status = f"{said.status} {(text or '')[:_LONGEST_REASON]}".strip()
    remedy = "check its address and its credentials"
    return f"the proxy refused to connect to {url.host}:{url.port} ({status}); {remedy}"


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cause(error: aiohttp.ClientConnectorError) -> Exception:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):  # aiohttp 3.11: no os_error
        return error.certificate_error
    return error.os_error


async def _read_up_to(response: ClientResponse, size: int) -> bytes:
    content = bytearray()
    try:
        async for part in response.content.iter_any():
            content += part
            if len(content) >= size:
                response.close()  # the rest of it is nothing that a later request could wait for
                break
    except BaseException:
        response.close()
        raise
    return bytes(content[:size])


def _checked(response: ClientResponse, content: bytes, most: int, url: URL, asked: str) -> bytes:
    """Unpack a body, and refuse one that is too large; of an error as much is left as there may be.

    A proxy that forwards, and wants another login, has not forwarded: that is no response at all.
    """
    if response.status == _PROXY_LOGIN:  # one that tunnels is an error of aiohttp
        raise ConnectionFailed(asked, _refused_by_proxy(url, response), sent=False)
    good = response.status < 300
    most = most if good else min(most, SMALL)
    try:
        encoding = response.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
        content = _unpacked(content, encoding, most + 1)
        if good and len(content) > most:
            raise ValueError(f"it is larger than {most:,} bytes")
    except (ValueError, zlib.error) as error:
        if good:
            raise DecodeError(f"the response to {asked}", str(error)) from None
        return b""
    return content[:most]


def _unpacked(content: bytes, encoding: str, size: int) -> bytes:
    """Undo a Content-Encoding, up to so many bytes."""
    if encoding in ("", "identity") or not content or content[:1] in _JSON_BEGINS:
        return content
    if encoding in ("gzip", "x-gzip"):
        window = 16 + zlib.MAX_WBITS
    elif encoding == "deflate":  # with zlib's header (RFC 9110, 8.4.1.2), or as some do without
        window = zlib.MAX_WBITS if content[0] & 0x0F == 8 else -zlib.MAX_WBITS
    else:
        raise ValueError(f"it is encoded as {encoding[:20]!r}, which was not asked for")
    unpacker = zlib.decompressobj(window)
    unpacked = unpacker.decompress(content, size)
    if len(unpacked) < size and not unpacker.eof:
        raise ValueError(f"its {encoding} breaks off")
    return unpacked
