"""Login: HTTP Basic for Twilio, OAuth2 client credentials for KORE."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from yarl import URL

from asyncsim.calls import Call
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
from asyncsim.http.request import api_error, finish
from asyncsim.http.transport import Response, Transport
from asyncsim.redaction import Redacted
from asyncsim.wire import json

T = TypeVar("T")

_OPERATION = "fetch a KORE access token"
_RESPONSE = "KORE's token response"
# Seconds, whatever the retry policy says: a policy without pauses would make a tight loop of it.
_LEAST_PAUSE_AFTER_429 = 0.1
# The errors of RFC 6749 (4.1.2.1) that are temporary; some servers send them with status 200.
_TRANSIENT_ERRORS = frozenset({"server_error", "temporarily_unavailable"})
_CONTENDED = (
    f"{tokens.MAX_RENEWALS} access tokens within a minute were invalidated soon after they were"
    " minted;"
    " KORE seems to allow one active token per API client, and another process probably logs in"
    " with the same client_id"
)
_CONTENDED_ADVICE = "give each process its own API client, or run one process at a time"


class Auth(Protocol):
    """A login, as the sender uses it."""

    @property
    def constant_header(self) -> str | None:
        """An Authorization header that never changes, if this login has one."""
        ...

    def current(self) -> tuple[str, int] | None:
        """Authorization header and its generation; None when one must be obtained first."""
        ...

    async def obtain(self, latest: float) -> None:
        """Get a header, by `latest` on the clock; concurrent callers share one request."""
        ...

    async def rejected(self, generation: int, error: APIError, latest: float) -> bool:
        """Tell whether a request rejected (401, 403) with that generation should be retried."""
        ...

    def accepted(self, generation: int, started: float, was_rejected: bool) -> None:
        """Record an accepted request: when it was sent, and whether it had been rejected before."""
        ...

    def rotate(self, user: str, secret: str) -> None:
        """Log in with these from now on; a request in flight may finish with the earlier ones."""
        ...

    async def close(self) -> None:
        """Cancel tasks that are still running."""
        ...


class BasicAuth:
    """Account SID and auth token, or API key and secret; never expires."""

    def __init__(self, user: str, password: str) -> None:
        self.constant_header, self._generation = _basic(user, password), 0

    def current(self) -> tuple[str, int]:
        """Always available."""
        return self.constant_header, self._generation

    async def obtain(self, latest: float) -> None:
        """Nothing to do."""

    async def rejected(self, generation: int, error: APIError, latest: float) -> bool:
        """Only after a rotation: the same credentials would be rejected again."""
        return generation != self._generation

    def accepted(self, generation: int, started: float, was_rejected: bool) -> None:
        """Nothing to record."""

    def rotate(self, user: str, secret: str) -> None:
        """Replace the header."""
        header = _basic(user, secret)
        self._generation += header != self.constant_header
        self.constant_header = header

    async def close(self) -> None:
        """Nothing to cancel."""


def _basic(user: str, password: str) -> Redacted:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Redacted(f"Basic {token}")


class ClientCredentials:
    """KORE's tokens: one fetch serves all waiting requests; renewed early, kept out of logs.

    Source: KORE docs, "Authorization", and the document kore_token_v1.
    """

    constant_header = None

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
        vendor: str,
    ) -> None:
        self._vendor = vendor
        self._transport = transport
        self._url = URL(url)
        self._secret = Redacted(client_secret)
        self._form = _token_form(client_id, client_secret)
        self._clock = clock
        self._retry = retry
        self._throttled_for = timeout.queue
        self._notify = notify
        self._token: Token | None = None
        self._minted = 0
        self._renewals = Renewals()
        self._replacing = False
        """Whether the next token is minted because one was rejected."""
        self._minting: asyncio.Task[None] | None = None
        self._reviewing: asyncio.Task[bool] | None = None

    def current(self) -> tuple[str, int] | None:
        """The token while it is valid; one that is due is renewed in the background."""
        token, now = self._token, self._clock.now()
        if token is None or now >= token.expires_at:
            return None
        if now >= token.due_at:
            self._start_minting()  # in the background: requests use the old one while it is valid
        return token.header, token.generation

    async def obtain(self, latest: float) -> None:
        """Mint a token, once for all callers; a cancelled caller does not stop the others."""
        await self._wait_for(self._start_minting(), latest)

    async def _wait_for(self, task: asyncio.Task[T], latest: float) -> T:
        """Wait for a task that several callers share, until this caller's own deadline."""
        # Not `asyncio.wait_for`: that would cancel the task, and uses only the loop's clock.
        late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        either: set[asyncio.Future[Any]] = {task, late}
        began = self._clock.now()
        timer = self._clock.call_at(latest, partial(finish, late))
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if not task.done():
            waited = f"no token within {max(latest - began, 0.0):g} s"
            raise RequestTimeout(_OPERATION, waited, sent=False)
        # Closing cancels the task; its callers get an error instead of a cancellation.
        if task.cancelled():
            raise ClientClosed(_OPERATION)
        return task.result()

    def _start_minting(self) -> asyncio.Task[None]:
        if self._minting is None:
            self._minting = asyncio.create_task(self._mint(), name="asyncsim-mint-token")
            self._minting.add_done_callback(self._minting_done)
        return self._minting

    def _minting_done(self, task: asyncio.Task[None]) -> None:
        self._minting = None
        if not task.cancelled():
            # Waiting callers raise it. Without any, an early renewal failed, and
            # asyncio would log an exception that was never retrieved.
            task.exception()

    async def rejected(self, generation: int, error: APIError, latest: float) -> bool:
        """Discard the token if a new one may help, once for all requests that it failed.

        `AuthenticationError` when tokens are invalidated as often as they are minted.
        """
        token, now = self._token, self._clock.now()
        if token is None or token.generation != generation:
            return True  # another request has discarded it already
        if self._reviewing is None:
            if not self._renewals.can_help(token, now):
                return False
            if self._renewals.are_contested(now):
                contended = AuthenticationError(
                    error.status, error.code, _CONTENDED, asked=error.asked
                )
                contended.advice = _CONTENDED_ADVICE
                raise contended from error
            self._reviewing = asyncio.create_task(self._review(token), name="asyncsim-review-token")
            self._reviewing.add_done_callback(self._reviewing_done)
        return await self._wait_for(self._reviewing, latest)

    def _reviewing_done(self, task: asyncio.Task[bool]) -> None:
        self._reviewing = None

    async def _review(self, token: Token) -> bool:
        """Discard a token after a pause, unless other requests succeed with it meanwhile."""
        since = self._clock.now()
        pause = self._renewals.pause(since, random.random())  # noqa: S311  # jitter
        if pause:
            await self._clock.sleep(pause)
        if token.proven_at > since:
            # KORE responds with 403 both to an expired token and to a missing permission. Others
            # succeeded with this one, so it was the latter.
            return False
        if self._token is token:
            self._renewals.begin(self._clock.now())
            self._token, self._replacing = None, True
        return True

    def accepted(self, generation: int, started: float, was_rejected: bool) -> None:
        """Record that the token works, and whether it resolved a rejection."""
        token = self._token
        if token is not None and token.generation == generation and token.proven_at < started:
            token.proven_at = started
        if was_rejected:
            self._renewals.helped(generation, self._clock.now())

    def rotate(self, user: str, secret: str) -> None:
        """Discard the token: the next request mints one with the new secret."""
        form = _token_form(user, secret)
        if form != self._form:
            self._form, self._secret = form, Redacted(secret)
            self._token, self._replacing, self._renewals = None, False, Renewals()

    async def _mint(self) -> None:
        with Call(
            (self._notify,), self._clock.now, vendor=self._vendor, product="", call="mint_token"
        ):
            await self._replace()

    async def _replace(self) -> None:
        while True:
            form = self._form
            try:
                token = await self._fetch()
            except AsyncSimError:
                if form is not self._form:
                    continue  # rejected, perhaps, because the secret was rotated meanwhile
                # The old token stays valid until it expires.
                if self._token is None or not self._token.postpone(self._clock.now()):
                    raise
                return
            if form is self._form:
                break
        self._token, self._replacing = token, False
        expires_in = token.expires_at - token.minted_at
        self._notify(
            TokenMinted(vendor=self._vendor, generation=token.generation, expires_in=expires_in)
        )

    async def _fetch(self) -> Token:
        tries, failures, give_up_at = 0, 0, self._clock.now() + self._throttled_for
        headers = {"Accept": "application/json"}
        while True:
            tries, left = tries + 1, self._retry.longest_pause
            try:
                # `POST` of client credentials is safe to repeat: at worst there is one more token.
                return self._read(
                    await self._transport.exchange(
                        "POST", self._url, headers, make_body(self._form), _OPERATION
                    )
                )
            except (TransportError, DecodeError, ServerError, RateLimited) as failure:
                error, asked = failure, getattr(failure, "retry_after", None)
            pause = self._retry.pause(tries, random.random(), asked)  # noqa: S311  # jitter
            if isinstance(error, RateLimited):  # as for any request: uses up no attempt, only time
                pause = max(pause, _LEAST_PAUSE_AFTER_429)
                left = min(left, give_up_at - self._clock.now())
            else:
                failures += 1
            if failures >= self._retry.attempts or (asked or 0.0) > left or left <= 0:
                raise error
            await self._clock.sleep(min(pause, left))

    def _read(self, response: Response) -> Token:
        """Parse a token response; raises here, where no local variable reveals the body."""
        if response.status >= 300:
            raise self._error(response)
        found = _token_in(response)
        if isinstance(found, str):
            # Some servers send OAuth2 errors with status 200.
            raise self._error(response) if _error_in(response) else DecodeError(_RESPONSE, found)
        header, lifetime = found
        self._minted += 1
        now = self._clock.now()
        return Token(header, self._minted, now, now + lifetime, self._replacing)

    def _error(self, response: Response) -> APIError:
        asked = retry_after(response.headers, self._clock.utcnow)
        error = api_error(response, _OPERATION, asked)
        kind, message = type(error), error.message
        if _error_in(response) in _TRANSIENT_ERRORS:
            kind = ServerError
        elif response.status in (200, 400, 401, 403):
            # A token endpoint may respond with 400 or 401 to an unknown client (RFC 6749, 5.2);
            # some do so with 200.
            kind = AuthenticationError
        for spelling in (self._secret, quote(self._secret, safe="")):  # some servers echo it
            message = message.replace(spelling, "***")
        return kind(
            error.status,
            error.code,
            message,
            error.more_info,
            error.request_id,
            asked=_OPERATION,
            retry_after=asked,
        )

    async def close(self) -> None:
        """Cancel minting and reviewing; callers that wait get `ClientClosed`."""
        tasks: list[asyncio.Task[Any]] = []
        for task in (self._minting, self._reviewing):
            if task is not None:
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)


def _token_form(client_id: str, client_secret: str) -> Redacted:
    fields = {"client_id": client_id, "client_secret": client_secret}
    return Redacted(urlencode({"grant_type": "client_credentials", **fields}))


def _token_in(response: Response) -> tuple[Redacted, float] | str:
    try:
        return tokens.read_response(json.read(response.body))
    except ValueError:
        return f"not JSON (HTTP {response.status})"


def _error_in(response: Response) -> str | None:
    """OAuth2's word for what is wrong (RFC 6749, 5.2)."""
    try:
        body = json.read(response.body)
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, str) and error else None
