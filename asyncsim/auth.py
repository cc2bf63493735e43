"""Who we are: HTTP Basic for Twilio, OAuth2 client credentials for KORE."""

from __future__ import annotations

import asyncio
import base64
import math
import random
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlencode

from yarl import URL

from asyncsim.clock import Clock
from asyncsim.core.retry import Repeat, Verdict, judge_status, retry_after
from asyncsim.core.settings import RetryPolicy
from asyncsim.core.tokens import Token, helps_to_renew
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    ClientClosed,
    DecodeError,
    TransportError,
)
from asyncsim.events import Event, TokenMinted
from asyncsim.request import refusal
from asyncsim.transport import Reply, Transport, form
from asyncsim.wire import json

_THROTTLED_FOR = 300.0  # seconds for which a 429 of the token endpoint uses up no attempt
_ASKED = "fetch a KORE access token"


class Auth(Protocol):
    """What the sender needs to know of a login."""

    @property
    def standing(self) -> str | None:
        """A header that never changes, if this login has one."""
        ...

    def current(self) -> tuple[str, int] | None:
        """Authorization header and its generation; None when one must be obtained first."""
        ...

    async def obtain(self) -> None:
        """Get a header; shared by all who ask at the same time."""
        ...

    def refused(self, generation: int) -> bool:
        """Tell whether a request refused (401, 403) with that generation should be sent again."""
        ...

    def accepted(self, generation: int) -> None:
        """Take note that a generation worked."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class Basic:
    """Account SID and auth token, or API key and secret; never expires."""

    def __init__(self, user: str, password: str) -> None:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.standing = f"Basic {token}"
        self._header = (self.standing, 0)

    def current(self) -> tuple[str, int]:
        """Always at hand."""
        return self._header

    async def obtain(self) -> None:
        """Nothing to do."""

    def refused(self, generation: int) -> bool:
        """Never: the same credentials will be refused again."""
        return False

    def accepted(self, generation: int) -> None:
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
        tell: Callable[[Event], None],
    ) -> None:
        self._transport = transport
        self._url = URL(url)
        self._form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret,
            }
        )
        self._clock = clock
        self._retry = retry
        self._tell = tell
        self._token: Token | None = None
        self._minted = 0
        self._minting: asyncio.Task[None] | None = None

    def current(self) -> tuple[str, int] | None:
        """The token while it is good; one that is due is renewed meanwhile."""
        token, now = self._token, self._clock.now()
        if token is None or now >= token.expires_at:
            return None
        if now >= token.due_at:
            self._start_minting()
        return f"Bearer {token.value}", token.generation

    async def obtain(self) -> None:
        """Mint a token, once for all callers; a caller's cancellation does not stop the others."""
        minting = self._start_minting()
        await asyncio.wait([minting])
        # Closing ends the mint, not those who wait for it.
        if minting.cancelled():
            raise ClientClosed(_ASKED)
        minting.result()

    def _start_minting(self) -> asyncio.Task[None]:
        if self._minting is None:
            self._minting = asyncio.create_task(self._mint(), name="asyncsim-mint-token")
            self._minting.add_done_callback(self._end_of_minting)
        return self._minting

    def _end_of_minting(self, task: asyncio.Task[None]) -> None:
        self._minting = None
        if not task.cancelled():
            task.exception()  # those who wait raise it; without any, it need not be reported

    def refused(self, generation: int) -> bool:
        """Drop the token if it had worked and may have expired; see `core.tokens`."""
        if not helps_to_renew(self._token, generation, self._clock.now()):
            return False
        if self._token is not None and self._token.generation == generation:
            self._token = None
        return True

    def accepted(self, generation: int) -> None:
        """Take note that the token works."""
        if self._token is not None and self._token.generation == generation:
            self._token.worked = True

    async def _mint(self) -> None:
        try:
            token = self._read(await self._ask())
        except AsyncSimError:
            # Whatever is wrong, the old token is as good as it was.
            if self._token is None or not self._token.postpone(self._clock.now()):
                raise
            return
        self._token = token
        expires_in = token.expires_at - token.minted_at
        self._tell(TokenMinted(generation=token.generation, expires_in=expires_in))

    async def _ask(self) -> Reply:
        tries, failures, give_up_at = 0, 0, self._clock.now() + _THROTTLED_FOR
        while True:
            tries, told = tries + 1, None
            try:
                reply = await self._post()
            except TransportError as silence:
                error: AsyncSimError = silence
                failures += 1
            else:
                if reply.status < 300:
                    return reply
                told = retry_after(reply.headers, self._clock.utcnow)
                error = _refusal(reply, told)
                failures += self._counts(reply.status, give_up_at)
            if failures >= self._retry.attempts or (told or 0.0) > self._retry.longest_pause:
                raise error
            await self._clock.sleep(self._retry.pause(tries, random.random(), told))  # noqa: S311  # jitter

    def _counts(self, status: int, give_up_at: float) -> int:
        """How many attempts an answer uses up: a 429 none for a while, a refusal all."""
        verdict = judge_status(status, Repeat.SAFE)
        if verdict is Verdict.THROTTLED:
            return 0 if self._clock.now() < give_up_at else self._retry.attempts
        return 1 if verdict is Verdict.AGAIN else self._retry.attempts

    def _post(self) -> Awaitable[Reply]:
        headers = {"Accept": "application/json"}
        return self._transport.exchange("POST", self._url, headers, form(self._form), _ASKED)

    def _read(self, reply: Reply) -> Token:
        try:
            answer = json.loads(reply.body)
            value, expires_in = answer["access_token"], float(answer["expires_in"])
            if not (isinstance(value, str) and value and math.isfinite(expires_in)):
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            # `from None`: the original error may show the body, and so the token.
            raise DecodeError("KORE's token answer", type(error).__name__) from None
        self._minted += 1
        now = self._clock.now()
        # At least a second: a token that is due at once would be minted for ever.
        return Token(value, self._minted, now, now + max(expires_in, 1.0))

    async def close(self) -> None:
        """End a mint under way."""
        if self._minting is not None:
            self._minting.cancel()
            await asyncio.gather(self._minting, return_exceptions=True)


def _refusal(reply: Reply, retry_after: float | None) -> APIError:
    error = refusal(reply, _ASKED, retry_after)
    if reply.status not in (400, 401, 403):
        return error
    # OAuth2 lets a token endpoint answer 400 or 401 to a client it does not know (RFC 6749, 5.2).
    return AuthenticationError(
        error.status, error.code, error.message, error.more_info, error.request_id, asked=_ASKED
    )
