"""Who we are: HTTP Basic for Twilio, OAuth2 client credentials for KORE."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from yarl import URL

from asyncsim.clock import Clock
from asyncsim.core import tokens
from asyncsim.core.retry import retry_after
from asyncsim.core.settings import RetryPolicy, Timeout
from asyncsim.core.tokens import Renewals, Token
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    ClientClosed,
    DecodeError,
    RateLimited,
    RequestTimeout,
    ServerError,
    TransportError,
)
from asyncsim.events import Event, TokenMinted
from asyncsim.http.content import make_body
from asyncsim.http.request import refusal
from asyncsim.http.transport import Response, Transport
from asyncsim.redaction import Redacted
from asyncsim.wire import json

T = TypeVar("T")

_ASKED = "fetch a KORE access token"
_RESPONSE = "KORE's token response"
_LEAST_PAUSE = 0.1  # seconds between 429s of the token endpoint, whatever the policy says
# Of RFC 6749's errors those that time may mend (4.1.2.1); some send them with status 200.
_PASSING = frozenset({"server_error", "temporarily_unavailable"})
_FOUGHT = (
    f"{tokens.MOST} access tokens within a minute were made void soon after they were minted;"
    " KORE seems to allow one active token per API client, and probably another process logs in"
    " with the same client_id"
)
_FOUGHT_ADVICE = "give each process an API client of its own, or run one of them at a time"


class Auth(Protocol):
    """What the sender needs to know of a login."""

    @property
    def standing(self) -> str | None:
        """A header that never changes, if this login has one."""
        ...

    def current(self) -> tuple[str, int] | None:
        """Authorization header and its generation; None when one must be obtained first."""
        ...

    async def obtain(self, latest: float) -> None:
        """Get a header, by `latest` of the clock; shared by all who ask at the same time."""
        ...

    async def refused(self, generation: int, error: APIError, latest: float) -> bool:
        """Tell whether a request refused (401, 403) with that generation should be sent again."""
        ...

    def accepted(self, generation: int, started: float, refused: bool) -> None:
        """Take note of a request that was let in: when it went out, whether it was refused once."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class Basic:
    """Account SID and auth token, or API key and secret; never expires."""

    def __init__(self, user: str, password: str) -> None:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.standing = Redacted(f"Basic {token}")
        self._header = (self.standing, 0)

    def current(self) -> tuple[str, int]:
        """Always at hand."""
        return self._header

    async def obtain(self, latest: float) -> None:
        """Nothing to do."""

    async def refused(self, generation: int, error: APIError, latest: float) -> bool:
        """Never: the same credentials will be refused again."""
        return False

    def accepted(self, generation: int, started: float, refused: bool) -> None:
        """Nothing to note."""

    async def close(self) -> None:
        """Nothing to end."""


class ClientCredentials:
    """KORE's tokens: fetched once for all who wait, renewed early, kept out of logs.

    Source: KORE docs, "Authorization", and the document kore_token_v1.
    """

    standing = None

    def __init__(
        self,
        transport: Transport,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        clock: Clock,
        retry: RetryPolicy,
        timeout: Timeout,
        notify: Callable[[Event], None],
    ) -> None:
        self._transport = transport
        self._url = URL(url)
        self._secret = Redacted(client_secret)
        self._form = Redacted(
            urlencode(
                {
                    "grant_type": "client_credentials",
                    "client_id": client_id,
                    "client_secret": client_secret,
                }
            )
        )
        self._clock = clock
        self._retry = retry
        self._throttled_for = timeout.queue
        self._notify = notify
        self._token: Token | None = None
        self._minted = 0
        self._renewals = Renewals()
        self._replacing = False
        """Whether the next token is minted because one was refused."""
        self._minting: asyncio.Task[None] | None = None
        self._doubting: asyncio.Task[bool] | None = None

    def current(self) -> tuple[str, int] | None:
        """The token while it is good; one that is due is renewed meanwhile."""
        token, now = self._token, self._clock.now()
        if token is None or now >= token.expires_at:
            return None
        if now >= token.due_at:
            self._start_minting()
        return token.header, token.generation

    async def obtain(self, latest: float) -> None:
        """Mint a token, once for all callers; one that leaves does not stop the others."""
        await self._join(self._start_minting(), latest)

    async def _join(self, task: asyncio.Task[T], latest: float) -> T:
        """Wait for what several wait for, until the caller's own deadline."""
        late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        either: set[asyncio.Future[Any]] = {task, late}
        began = self._clock.now()
        timer = self._clock.call_at(latest, partial(_wake, late))
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if not task.done():
            waited = f"no token within {max(latest - began, 0.0):g} s"
            raise RequestTimeout(_ASKED, waited, sent=False)
        # Closing ends the task, not those who wait for it.
        if task.cancelled():
            raise ClientClosed(_ASKED)
        return task.result()

    def _start_minting(self) -> asyncio.Task[None]:
        if self._minting is None:
            self._minting = asyncio.create_task(self._mint(), name="asyncsim-mint-token")
            self._minting.add_done_callback(self._end_of_minting)
        return self._minting

    def _end_of_minting(self, task: asyncio.Task[None]) -> None:
        self._minting = None
        if not task.cancelled():
            task.exception()  # those who wait raise it; without any, it need not be reported

    async def refused(self, generation: int, error: APIError, latest: float) -> bool:
        """Give the token up if a new one may help, once for all whom it was refused to.

        `AuthenticationError` when tokens are made void as often as they are minted.
        """
        token, now = self._token, self._clock.now()
        if token is None or token.generation != generation:
            return True  # another request has seen to that
        if self._doubting is None:
            if not self._renewals.can_help(token, now):
                return False
            if self._renewals.are_fought(now):
                raise _fought(error) from error
            self._doubting = asyncio.create_task(self._doubt(token), name="asyncsim-doubt-token")
            self._doubting.add_done_callback(self._end_of_doubting)
        return await self._join(self._doubting, latest)

    def _end_of_doubting(self, task: asyncio.Task[bool]) -> None:
        self._doubting = None

    async def _doubt(self, token: Token) -> bool:
        """Give a token up after a pause, unless it turns out good for others meanwhile."""
        since = self._clock.now()
        pause = self._renewals.pause(since, random.random())  # noqa: S311  # jitter
        if pause:
            await self._clock.sleep(pause)
        if token.proven_at > since:
            return False  # then the refusal was about what was asked for
        if self._token is token:
            self._renewals.begin(self._clock.now())
            self._token, self._replacing = None, True
        return True

    def accepted(self, generation: int, started: float, refused: bool) -> None:
        """Take note that the token works, and that it mended a refusal."""
        token = self._token
        if token is not None and token.generation == generation and token.proven_at < started:
            token.proven_at = started
        if refused:
            self._renewals.helped(generation, self._clock.now())

    async def _mint(self) -> None:
        try:
            token = await self._ask()
        except AsyncSimError:
            # Whatever is wrong, the old token is as good as it was.
            if self._token is None or not self._token.postpone(self._clock.now()):
                raise
            return
        self._token, self._replacing = token, False
        expires_in = token.expires_at - token.minted_at
        self._notify(TokenMinted(generation=token.generation, expires_in=expires_in))

    async def _ask(self) -> Token:
        tries, failures, give_up_at = 0, 0, self._clock.now() + self._throttled_for
        while True:
            tries, left = tries + 1, self._retry.longest_pause
            try:
                return self._read(await self._post())
            except (TransportError, DecodeError, ServerError, RateLimited) as trouble:
                error, told = trouble, getattr(trouble, "retry_after", None)
            pause = self._retry.pause(tries, random.random(), told)  # noqa: S311  # jitter
            if isinstance(error, RateLimited):  # uses up no attempt, only time
                pause = max(pause, _LEAST_PAUSE)
                left = min(left, give_up_at - self._clock.now())
            else:
                failures += 1
            if failures >= self._retry.attempts or (told or 0.0) > left or left <= 0:
                raise error
            await self._clock.sleep(min(pause, left))

    def _post(self) -> Awaitable[Response]:
        headers = {"Accept": "application/json"}
        return self._transport.exchange("POST", self._url, headers, make_body(self._form), _ASKED)

    def _read(self, response: Response) -> Token:
        """Make a token of a response; raises here, where no variable shows what it holds."""
        if response.status >= 300:
            raise self._refusal(response)
        found = _token_in(response)
        if isinstance(found, str):
            raise self._refusal(response) if _error_in(response) else DecodeError(_RESPONSE, found)
        header, life = found
        self._minted += 1
        now = self._clock.now()
        return Token(header, self._minted, now, now + life, self._replacing)

    def _refusal(self, response: Response) -> APIError:
        told = retry_after(response.headers, self._clock.utcnow)
        error = refusal(response, _ASKED, told)
        kind, message = type(error), error.message
        if _error_in(response) in _PASSING:
            kind = ServerError
        elif response.status in (200, 400, 401, 403):
            # OAuth2 lets a token endpoint answer 400 or 401 to a client it does not know (RFC 6749,
            # 5.2); some do so with 200.
            kind = AuthenticationError
        for spelling in (self._secret, quote(self._secret, safe="")):  # some quote what they got
            message = message.replace(spelling, "***")
        return kind(
            error.status,
            error.code,
            message,
            error.more_info,
            error.request_id,
            asked=_ASKED,
            retry_after=told,
        )

    async def close(self) -> None:
        """End what is under way."""
        tasks: list[asyncio.Task[Any]] = []
        for task in (self._minting, self._doubting):
            if task is not None:
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)


def _token_in(response: Response) -> tuple[Redacted, float] | str:
    try:
        return tokens.read(json.read(response.body))
    except ValueError:
        return f"not JSON (HTTP {response.status})"


def _error_in(response: Response) -> str | None:
    """OAuth2's word for what is wrong (RFC 6749, 5.2)."""
    try:
        answer = json.read(response.body)
    except ValueError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) and error else None


def _fought(error: APIError) -> AuthenticationError:
    fought = AuthenticationError(error.status, error.code, _FOUGHT, asked=error.asked)
    fought.advice = _FOUGHT_ADVICE
    return fought


def _wake(late: asyncio.Future[None]) -> None:
    if not late.done():
        late.set_result(None)
