"""The one user of `ClientSession`: bytes out; status, headers and bytes back. Knows no kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import NoReturn

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs
from attrs import frozen
from yarl import URL

from asyncsim.clock import Clock
from asyncsim.core.settings import Timeout
from asyncsim.errors import ConnectionFailed, RequestTimeout

USER_AGENT = f"asyncsim/{version('asyncsim')} aiohttp/{aiohttp.__version__}"
FORM = "application/x-www-form-urlencoded"


@frozen
class Reply:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Owns a session, or borrows one of the user's, which it then never closes."""

    def __init__(self, session: ClientSession | None, timeout: Timeout, clock: Clock) -> None:
        self._session = session
        self._borrowed = session is not None
        self._clock = clock
        self._seconds = timeout
        # aiohttp's own total: asyncio.timeout around each request costs several times as much.
        self._timeout = ClientTimeout(total=timeout.request, sock_connect=timeout.connect)

    @property
    def connections(self) -> int:
        """How many a borrowed session may open at once; 0: any number."""
        connector = self._session.connector if self._session is not None else None
        return connector.limit if connector is not None else 0

    def _open(self) -> ClientSession:
        # No limit here: the gate in front is the limit, and a request that waits for a pool
        # would use up its own timeout. No cookies: they would tie requests to each other.
        return ClientSession(
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            headers={hdrs.USER_AGENT: USER_AGENT, hdrs.ACCEPT: "application/json"},
            timeout=self._timeout,
        )

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, asked: str
    ) -> Reply:
        """Send one request and read its whole answer; `TransportError` if there is none."""
        if self._session is None:
            self._session = self._open()
        try:
            with self._clock.working():
                # Redirects are answers here: a credential must not follow them anywhere.
                reply = await self._session.request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    raise_for_status=False,
                )
                try:
                    return Reply(reply.status, reply.headers, await reply.read())
                finally:
                    reply.release()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._reword(error, asked)

    def _reword(self, error: Exception, asked: str) -> NoReturn:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            reason = f"no connection within {self._seconds.connect:g} s"
            raise RequestTimeout(asked, reason, sent=False) from error
        if isinstance(error, asyncio.TimeoutError):
            reason = f"no answer within {self._seconds.request:g} s"
            raise RequestTimeout(asked, reason) from error
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = (
                f"cannot connect to {error.host}:{error.port} ({error.os_error.strerror or error})"
            )
            raise ConnectionFailed(asked, reason, sent=False) from error
        raise ConnectionFailed(asked, f"connection lost ({type(error).__name__})") from error

    async def close(self) -> None:
        """Close the session, if it is ours."""
        if self._session is not None and not self._borrowed:
            await self._session.close()
            self._session = None
