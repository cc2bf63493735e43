"""The receiver of callbacks: judges each request, tells the waits, answers with a status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import evolve

from asyncsim.callbacks import keyring, tickets
from asyncsim.callbacks.address import checked_url, own_url, shown
from asyncsim.callbacks.asgi import Application, ASGIApp
from asyncsim.callbacks.bus import Bus, Callback
from asyncsim.callbacks.counts import Counts
from asyncsim.callbacks.desk import Desk
from asyncsim.callbacks.inbound import INBOUND, InboundCommands, inbound_command
from asyncsim.callbacks.judge import Request, judge
from asyncsim.callbacks.payload import Refusal
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import ConfigurationError, ReceiverError, SignatureError
from asyncsim.events import CallbackReceived, CallbackRefused, Observer, tell
from asyncsim.vendors import VENDORS, Vendor

if TYPE_CHECKING:
    from aiohttp import web

    from asyncsim.callbacks.server import Listener


class CallbackReceiver:
    """Listens for the vendors' callbacks; one may serve several clients.

    `public_url` is where the vendors reach it, as they spell it, prefix included; without one it
    is `http://host:port`, which only programs on this machine can reach. `port=0` takes a free
    port, None opens none (for callers of `receive`). The first of `ticket_secrets` signs tickets,
    all verify; without any they are derived from the clients' credentials. Clients also bring
    the secrets they know callbacks to be signed with; `twilio_auth_tokens` and
    `kore_webhook_secrets` add others: of subaccounts, of a rotation.

    A vendor without any signing secret is believed only as far as its ticket goes: such
    callbacks are hints. So are those that do not verify while a client of the vendor brought no
    secret, unless the receiver was given some. `max_body` is in bytes. `clock` is for tests.
    """

    def __init__(
        self,
        public_url: str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int | None = 0,
        ticket_secrets: Sequence[str] = (),
        twilio_auth_tokens: Sequence[str] = (),
        kore_webhook_secrets: Sequence[str] = (),
        max_body: int = 65536,
        clock: Clock | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        own = keyring.checked(ticket_secrets, "ticket_secrets")
        self._keyring = keyring.Keyring(
            tuple(tickets.derive_ticket_secret(secret) for secret in own),
            keyring.by_vendor(twilio_auth_tokens, kore_webhook_secrets),
        )
        self._given_url = checked_url(public_url)
        self._host = host
        self._wanted_port = port
        self._max_body = max_body
        self._observers = tuple(observers)
        self._bus = Bus(clock or SYSTEM_CLOCK)
        self._counts = Counts()
        self._commands = InboundCommands()
        self._listener: Listener | None = None
        self._starts = 0
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        where = "no port of its own" if self._wanted_port is None else "closed"
        if self._listener is not None:
            where = f"listening on {self._host}:{self._listener.port}"
        return f"<CallbackReceiver {shown(self._given_url)}, {where}, {self._counts}>"

    @property
    def counts(self) -> Counts:
        """What came in so far; a copy."""
        return evolve(self._counts)

    @property
    def port(self) -> int:
        """The port it listens on; ReceiverError while it has none."""
        if self._listener is None:
            raise ReceiverError("the receiver listens on no port; start() opens one")
        return self._listener.port

    @property
    def public_url(self) -> str:
        """Where the vendors reach it, without a trailing slash; ReceiverError while unknown."""
        if self._given_url is not None:
            return self._given_url
        if self._listener is None:
            raise ReceiverError(
                "the receiver's public_url is not known: give one, or start() it on a port first"
            )
        return own_url(self._host, self._listener.port)

    async def start(self) -> None:
        """Begin to listen; each start needs its stop, and only the last stop closes the port.

        ReceiverError when the port is taken, or when no public URL can be told.
        """
        async with self._turn:
            if self._starts == 0:
                await self._open()
                self._commands.turn(open=True)
            self._starts += 1

    async def _open(self) -> None:
        if self._wanted_port is None:
            if self._given_url is None:
                raise ReceiverError(
                    "a receiver without a port of its own needs a public_url, prefix included"
                )
            return
        if self._given_url is None:
            own_url(self._host, self._wanted_port)  # refuses hosts that nobody can call
        from asyncsim.callbacks.server import Listener, handling  # see server: not before

        handler = handling(self._receive, self._max_body)
        self._listener = await Listener.open(handler, self._host, self._wanted_port)

    async def stop(self) -> None:
        """Take back one `start`; harmless when there is none."""
        async with self._turn:
            self._starts = max(0, self._starts - 1)
            if self._starts == 0:
                self._commands.turn(open=False)
            if self._starts == 0 and self._listener is not None:
                try:
                    await self._listener.close()  # what still comes in needs its address
                finally:
                    self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def app(self) -> web.Application:
        """Build an application to mount in your own, under any prefix.

        From then on `start` opens no port, and `public_url` must be given, prefix included.
        """
        from asyncsim.callbacks.server import application  # see server: not before

        self._wanted_port = None
        return application(self._receive, self._max_body)

    def asgi(self) -> ASGIApp:
        """Build the same for FastAPI, Starlette and any other ASGI application."""
        self._wanted_port = None
        return Application(self.receive, self._max_body)

    def commands_url(self, vendor: str, product: str) -> str:
        """Make the URL to set as a Fleet's `sms_commands_url` or `ip_commands_url`.

        Or as a Sim's `commands_callback_url`; good as long as the ticket secrets are.
        """
        return self.public_url + self._keyring.issue_any(vendor, product, INBOUND).path

    def commands(self) -> InboundCommands:
        """Commands that devices send: `async for command in receiver.commands()`."""
        return self._commands

    def register(
        self, vendor: Vendor, *, signing_secrets: Sequence[str], ticket_secret: bytes
    ) -> Desk:
        """Give a client its desk; its secrets verify until the desk is closed.

        `ticket_secret` comes from `derive_ticket_secret`; `signing_secrets` is empty when the
        client knows none, as with an API key.
        """
        if not ticket_secret:
            raise ConfigurationError("ticket_secret is empty")
        signing = keyring.checked(signing_secrets, "signing_secrets")
        keys = keyring.Keys(vendor=vendor, signing=signing, ticket=ticket_secret)
        return Desk(keys, self._keyring, self._bus, lambda: self.public_url)

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        """Judge one request and return the HTTP status to answer with; for any web framework.

        `raw_target` is path and query exactly as they came, percent-encoding untouched. Call it
        from the event loop. 204: accepted. 403: wrong ticket or signature. 404: no ticket. 400,
        405, 413, 414, 415: not a request that a vendor sends. 503: a Command for which there is
        no room.
        """
        lowered = {name.lower(): text for name, text in headers.items()}
        return self._receive(method, raw_target, lowered, body)

    def _receive(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Do the same with headers that are found by lower-case names."""
        request = Request(method=method, raw_target=raw_target, headers=headers, body=body)
        try:
            callback = judge(request, self._keyring, self.public_url, self._max_body)
        except Refusal as refusal:
            return self._refuse(refusal.status, str(refusal))
        except SignatureError as error:
            return self._refuse(403, str(error))
        header = VENDORS[callback.vendor].idempotency_header
        return self._accept(callback, request.headers.get(header, ""))

    def _refuse(self, status: int, reason: str) -> int:
        self._counts.refused += 1
        tell(self._observers, CallbackRefused(status=status, reason=reason))
        return status

    def _accept(self, callback: Callback, token: str) -> int:
        inbound = callback.name == INBOUND
        if inbound and self._commands.full:  # before its token counts: it will come again
            return self._refuse(503, "nobody takes the Commands that came in before")
        repeated = self._bus.is_repeated(callback, token)
        self._counts.accepted += 1
        self._counts.hints += not callback.signed
        self._counts.duplicates += repeated
        if self._observers:
            self._tell(callback, repeated)
        if inbound and not repeated:
            self._commands.add(inbound_command(callback))
        elif not repeated:
            self._bus.publish(callback)
        return 204

    def _tell(self, callback: Callback, repeated: bool) -> None:
        event = CallbackReceived(
            vendor=callback.vendor,
            product=callback.product,
            name=callback.name,
            status=callback.status,
            signed=callback.signed,
            duplicate=repeated,
        )
        tell(self._observers, event)
