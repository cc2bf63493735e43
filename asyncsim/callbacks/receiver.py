"""The receiver of callbacks: judges each request, tells the waits, answers with a status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import evolve

from asyncsim.callbacks import secrets, tickets
from asyncsim.callbacks.address import checked_url, own_url, shown
from asyncsim.callbacks.asgi import Application, ASGIApp
from asyncsim.callbacks.bus import Bus, Callback, Handler
from asyncsim.callbacks.counts import Counts
from asyncsim.callbacks.inbound import INBOUND, InboundCommands
from asyncsim.callbacks.reception import Reception
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import ConfigurationError, ReceiverError
from asyncsim.events import Observer
from asyncsim.vendors import Vendor

if TYPE_CHECKING:
    from aiohttp import web

    from asyncsim.callbacks.web import Listener


def checked_most(connections: int) -> int:
    """Return how many connections are allowed; ConfigurationError if that is none."""
    if isinstance(connections, bool) or not isinstance(connections, int) or connections < 1:
        raise ConfigurationError(f"max_connections={connections!r}: must be a whole number from 1")
    return connections


class Registration:
    """One client's use of a receiver: made by `CallbackReceiver.register`, until `close`."""

    def __init__(
        self,
        keys: secrets.Keys,
        keyring: secrets.Keyring,
        bus: Bus,
        public_url: Callable[[], str],
    ) -> None:
        self._keys = keys
        self._keyring = keyring
        self._bus = bus
        self._public_url = public_url
        self._subscriptions: list[Callable[[], None]] = []
        keyring.join(keys)

    def issue_url(self, product: str, name: str) -> tuple[str, str]:
        """Issue a callback URL for one update of the SIM addressed as `name`, and its nonce.

        ReceiverError when the receiver does not know its public URL yet.
        """
        issued = self._keyring.issue(self._keys, product, name)
        return self._public_url() + issued.path, issued.nonce

    def subscribe(self, product: str, handler: Handler) -> None:
        """Call `handler` with this vendor's callbacks for a product.

        It returns whether one of its waits claimed the callback; unclaimed ones are kept.
        """
        self._subscriptions.append(self._bus.subscribe(self._keys.vendor.name, product, handler))

    def take_unclaimed(self, product: str, name: str) -> list[Callback]:
        """Take the callbacks for `name` that came before anybody waited, oldest first."""
        return self._bus.take_kept(self._keys.vendor.name, product, name)

    def close(self) -> None:
        """Unsubscribe all handlers, and remove the client's secrets from the receiver."""
        while self._subscriptions:
            self._subscriptions.pop()()
        self._keyring.leave(self._keys)


class CallbackReceiver:
    """Listens for the vendors' callbacks; one may serve several clients.

    `public_url` is where the vendors reach it, as they spell it, prefix included; without one it
    is `http://host:port`, which only programs on this machine can reach. `port=0` takes a free
    port, None opens none (for callers of `receive`). The first of `ticket_secrets` signs tickets,
    all verify; without any they are derived from the clients' credentials.

    Clients bring the secrets that callbacks of their account are signed with, and these prove
    callbacks of that account. `twilio_auth_tokens` and `kore_webhook_secrets` add others, of
    subaccounts or of a rotation: they verify callbacks of all accounts, but what they sign is
    confirmed by a read. Without any secret a callback is believed only as far as its ticket goes,
    and confirmed by a read too.

    `max_body` is in bytes. `max_connections` is for a port of its own: beyond, connections that
    never brought a callback are closed first, then those idle for longest, then nobody is let in;
    a quarter of the files that the process may open is the most. `clock` is for tests.
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
        max_connections: int = 512,
        clock: Clock | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        own = secrets.checked(ticket_secrets, "ticket_secrets")
        self._keyring = secrets.Keyring(
            tuple(tickets.derive_ticket_secret(secret) for secret in own),
            secrets.by_vendor(twilio_auth_tokens, kore_webhook_secrets),
        )
        self._given_url = checked_url(public_url)
        self._host = host
        self._wanted_port = port
        self._max_body = max_body
        self._max_connections = checked_most(max_connections)
        self._clock = clock or SYSTEM_CLOCK
        self._bus = Bus(self._clock)
        self._commands = InboundCommands()
        self._reception = Reception(
            keyring=self._keyring,
            bus=self._bus,
            commands=self._commands,
            public_url=lambda: self.public_url,
            max_body=max_body,
            observers=tuple(observers),
            clock=self._clock,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: Listener | None = None
        self._starts = 0
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        where = "no port of its own" if self._wanted_port is None else "closed"
        if self._listener is not None:
            where = f"listening on {self._host}:{self._listener.port}"
        return f"<CallbackReceiver {shown(self._given_url)}, {where}, {self._reception.counts}>"

    @property
    def counts(self) -> Counts:
        """What came in so far; a copy."""
        return evolve(self._reception.counts)

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
                self._loop = asyncio.get_running_loop()
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
        from asyncsim.callbacks.web import Listener  # see server: not before

        self._listener = await Listener.open(
            self._reception,
            max_body=self._max_body,
            most=self._max_connections,
            host=self._host,
            port=self._wanted_port,
        )

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
        from asyncsim.callbacks.web import application  # see server: not before

        self._wanted_port = None
        return application(self._reception, self._max_body)

    def asgi(self) -> ASGIApp:
        """Build the same for FastAPI, Starlette and any other ASGI application."""
        self._wanted_port = None
        return Application(self._reception, self._max_body)

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
    ) -> Registration:
        """Register a client: its secrets verify callbacks until the registration is closed.

        `ticket_secret` comes from `derive_ticket_secret`; `signing_secrets` is empty when the
        client knows none, as with an API key.
        """
        if not ticket_secret:
            raise ConfigurationError("ticket_secret is empty")
        signing = secrets.checked(signing_secrets, "signing_secrets")
        keys = secrets.Keys(vendor=vendor, signing=signing, ticket=ticket_secret)
        return Registration(keys, self._keyring, self._bus, lambda: self.public_url)

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        """Judge one request and return the HTTP status to respond with; for any web framework.

        `raw_target` is path and query as they came. Call it from the event loop: from a thread, as
        in a WSGI application, by `loop.call_soon_threadsafe`. 204: accepted. 403: wrong ticket or
        signature. 404: no ticket; 200 for `GET /` and paths that end in `/healthz` or the like.
        400, 405, 413, 414, 415: not a request that a vendor sends. 503: a Command for which there
        is no room. Respond to all but 204 with `Connection: close`.
        """
        self._check_loop()
        if not isinstance(body, bytes | bytearray | memoryview):
            raise TypeError(f"body is {type(body).__name__}: give the bytes as they came")
        lowered: dict[str, str] = {}
        for name, text in headers.items() if isinstance(headers, Mapping) else ((None, None),):
            if not (isinstance(name, str) and isinstance(text, str)):
                raise TypeError("headers: give a mapping of names to one text each")
            lowered.setdefault(name.lower(), text)
        return self._reception.receive_lowered(method, raw_target, lowered, bytes(body))

    def _check_loop(self) -> None:
        """Refuse calls from elsewhere: those who wait would be told in the wrong thread."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None or self._loop.is_closed():
            self._loop = running
        if running is not self._loop or (running is None and self._clock is SYSTEM_CLOCK):
            raise ReceiverError(
                "receive() was called outside the receiver's event loop; in a thread, for instance"
                " of a WSGI server, have loop.call_soon_threadsafe() call it"
            )
