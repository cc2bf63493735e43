"""The callback receiver: started and stopped, mounted, and shared by the clients registered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import evolve

from asyncsim.callbacks.asgi import ASGIApp, CallbackApplication
from asyncsim.callbacks.bus import Callback, CallbackBus, Subscriber
from asyncsim.callbacks.commands import COMMANDS_NAME, InboundCommands
from asyncsim.callbacks.handler import CallbackHandler, ReceiverStats
from asyncsim.callbacks.secrets import ClientSecrets, SecretStore, checked_secrets
from asyncsim.callbacks.shared import SharedBus
from asyncsim.callbacks.tickets import account_tag, derive_ticket_secret
from asyncsim.clock import SYSTEM_CLOCK, Clock, Timer
from asyncsim.errors import ConfigurationError, ReceiverError
from asyncsim.event_loops import must_bind
from asyncsim.events import Observer
from asyncsim.validation import usable_url
from asyncsim.vendors import VENDORS, Vendor

if TYPE_CHECKING:
    from aiohttp import web

    from asyncsim.callbacks.web import Listener

_FORMER_FOR = 3600.0
"""Seconds for which callbacks signed with a rotated secret are accepted. Both vendors give up a
callback within minutes, but a secret may be rotated at the vendor some time before or after."""


class Registration:
    """One client's use of a receiver: created by `CallbackReceiver.register`, until `close`."""

    def __init__(self, client: ClientSecrets, handler: CallbackHandler) -> None:
        self._client = client
        self._handler = handler
        self._subscriptions: list[Callable[[], None]] = []
        self._former: dict[str, float] = {}
        """Signing secrets from before a rotation -> until when they are accepted."""
        self._expiry: Timer | None = None
        handler.secrets.add(client)

    def issue_url(self, product: str, name: str) -> tuple[str, str]:
        """Issue a callback URL for one update of the SIM addressed as `name`, and its nonce.

        ReceiverError when the receiver does not know its public URL yet.
        """
        ticket = self._handler.secrets.issue_ticket(self._client, product, name)
        return self._handler.require_public_url() + ticket.path, ticket.nonce

    def subscribe(self, product: str, subscriber: Subscriber) -> None:
        """Call `subscriber` with this vendor's callbacks for a product.

        It returns whether one of its waits claimed the callback; unclaimed ones are kept.
        """
        bus, shared = self._handler.bus, self._handler.shared
        self._subscriptions.append(bus.subscribe(self._client.vendor.name, product, subscriber))
        if shared is not None:  # a process without waits reads none
            self._subscriptions.append(shared.attach(bus.publish))

    def take_unclaimed(self, product: str, name: str) -> list[Callback]:
        """Remove and return callbacks for `name` that arrived before its wait, oldest first."""
        return self._handler.bus.take_unclaimed(self._client.vendor.name, product, name)

    def rotate(self, signing_secrets: Sequence[str], ticket_secrets: Sequence[bytes]) -> None:
        """Replace the client's secrets; the former signing secrets are accepted for an hour.

        The vendor may have signed a callback before the rotation, and deliver it again.
        """
        current = checked_secrets(signing_secrets, "signing_secrets")
        until = self._handler.clock.now() + _FORMER_FOR
        known = self._client.signing
        self._former = {one: self._former.get(one, until) for one in known if one not in current}
        self._accept(current, tuple(ticket_secrets))

    def _accept(self, current: tuple[str, ...], ticket_secrets: tuple[bytes, ...]) -> None:
        """Accept these secrets, and each former one until it expires."""
        clock = self._handler.clock
        self._cancel_expiry()
        self._former = {one: end for one, end in self._former.items() if end > clock.now()}
        signing = (*current, *self._former)
        client = evolve(self._client, signing=signing, tickets=ticket_secrets)
        self._handler.secrets.replace(self._client, client)
        self._client = client
        if self._former:
            again = partial(self._accept, current, ticket_secrets)
            self._expiry = clock.call_at(min(self._former.values()), again)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def close(self) -> None:
        """Unsubscribe, and remove the client's secrets from the receiver."""
        self._cancel_expiry()
        while self._subscriptions:
            self._subscriptions.pop()()
        self._handler.secrets.remove(self._client)


class CallbackReceiver:
    """Listens for the vendors' callbacks; one may serve several clients.

    `public_url` is where the vendors reach it, as they spell it, prefix included; without one it
    is `http://host:port`, which only programs on this machine can reach. `port=0` takes a free
    port, None opens none (for callers of `receive`). The first of `ticket_secrets` signs tickets,
    all verify, as do those of the clients, which sign if there are none here.

    Clients bring the secrets that callbacks of their account are signed with, and these prove
    callbacks of that account. `twilio_auth_tokens` and `kore_webhook_secrets` add others, of
    subaccounts or for a rotation: they verify callbacks of all accounts, but what they sign is
    confirmed by a fetch. Without any secret only the ticket is verified, and every callback is
    confirmed by a fetch.

    `max_body` is in bytes. `max_connections` limits the connections to its own port: at the limit,
    connections that never brought a callback are closed first, then those idle for longest, then
    no more are accepted. It is reduced to a quarter of the files that the process may open.

    `bus` shares callbacks with other processes (`asyncsim.PostgresBus`): any process may receive a
    callback, and it ends waits in all of them; a Command from a device goes to one process. The
    receiver starts and stops the bus. `clock` is for tests.
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
        bus: SharedBus | None = None,
        clock: Clock | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        own_tickets = checked_secrets(ticket_secrets, "ticket_secrets")
        own_signing = {
            "twilio": checked_secrets(twilio_auth_tokens, "twilio_auth_tokens"),
            "kore": checked_secrets(kore_webhook_secrets, "kore_webhook_secrets"),
        }
        self._given_url = checked_url(public_url)
        self._host = host
        self._wanted_port = port
        if (
            isinstance(max_connections, bool)
            or not isinstance(max_connections, int)
            or max_connections < 1
        ):
            raise ConfigurationError(
                f"max_connections={max_connections!r}: must be a whole number from 1"
            )
        self._max_connections = max_connections
        self._clock = clock or SYSTEM_CLOCK
        secrets = SecretStore(tuple(map(derive_ticket_secret, own_tickets)), own_signing)
        self._handler = CallbackHandler(
            secrets=secrets,
            bus=CallbackBus(self._clock),
            shared=bus,
            commands=InboundCommands(bus, lambda: secrets.scopes),
            public_url=self._given_url,
            max_body=max_body,
            observers=tuple(observers),
            clock=self._clock,
        )
        self._bind(None)

    def _bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Belong to an event loop; not started there yet."""
        self._loop = loop
        self._listener: Listener | None = None
        self._starts = 0
        self._starting = asyncio.Lock()

    def _use_loop(self) -> None:
        """Belong to the running loop; ConfigurationError while another one uses this receiver."""
        in_use = self._starts > 0 or self._starting.locked()
        if must_bind(self._loop, in_use=in_use, name="CallbackReceiver"):
            self._bind(asyncio.get_running_loop())

    def __repr__(self) -> str:
        where = "no port of its own" if self._wanted_port is None else "closed"
        if self._listener is not None:
            where = f"listening on {self._host}:{self._listener.port}"
        url = "without public_url" if self._given_url is None else without_login(self._given_url)
        return f"<CallbackReceiver {url}, {where}, {self._handler.stats}>"

    @property
    def counts(self) -> ReceiverStats:
        """Requests received so far, by outcome; a copy."""
        return evolve(self._handler.stats)

    @property
    def port(self) -> int:
        """The port it listens on; ReceiverError if it listens on none."""
        if self._listener is None:
            raise ReceiverError("the receiver listens on no port; start() opens one")
        return self._listener.port

    @property
    def public_url(self) -> str:
        """The URL at which vendors reach it, without a trailing slash; ReceiverError if unknown."""
        return self._handler.require_public_url()

    async def start(self) -> None:
        """Start listening; each start needs a stop, and only the last stop closes the port.

        ReceiverError when the port is taken, or when it has no public URL.
        """
        self._use_loop()
        async with self._starting:
            if self._starts > 0:
                self._starts += 1
                return
            if self._wanted_port is None and self._given_url is None:
                raise ReceiverError("a receiver without a port needs a public_url, prefix included")
            shared = self._handler.shared
            if shared is not None:  # before the port is open
                await shared.start()
            try:
                await self._listen()
            except BaseException:
                if shared is not None:
                    await shared.stop()
                raise
            self._handler.commands.set_open(True)
            self._starts = 1

    async def _listen(self) -> None:
        if self._wanted_port is None:
            return
        if self._given_url is None:
            local_url(self._host, self._wanted_port)  # rejects hosts that have no URL
        from asyncsim.callbacks.web import Listener  # loads a web server, so not before

        self._listener = await Listener.open(
            self._handler, self._host, self._wanted_port, self._max_connections
        )
        url = self._given_url or local_url(self._host, self._listener.port)
        self._handler.public_url = url

    async def stop(self) -> None:
        """Undo one `start`; ignored if there is none."""
        async with self._starting:
            started = self._starts > 0
            self._starts = max(0, self._starts - 1)
            if self._starts > 0 or not started:
                return
            self._handler.commands.set_open(False)
            try:
                if self._listener is not None:
                    await self._listener.close()
            finally:
                self._listener = None
                self._handler.public_url = self._given_url  # requests in flight needed it
                if self._handler.shared is not None:
                    await self._handler.shared.stop()

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
        """Build an aiohttp application to mount in your own, under any prefix.

        From then on `start` opens no port, and `public_url` must be given, prefix included.
        """
        from asyncsim.callbacks.web import application  # loads a web server, so not before

        self._wanted_port = None
        return application(self._handler)

    def asgi(self) -> ASGIApp:
        """Build the same for FastAPI, Starlette and any other ASGI application."""
        self._wanted_port = None
        return CallbackApplication(self._handler)

    def commands_url(self, vendor: str, product: str) -> str:
        """Make the URL to set as a Fleet's `sms_commands_url` or `ip_commands_url`.

        Or as a Sim's `commands_callback_url`; valid as long as the ticket secrets are. With a bus,
        all receivers with its ticket secret share its Commands.
        """
        if vendor not in VENDORS or product not in ("wireless", "supersim"):
            raise ValueError(
                f"{vendor!r}, {product!r}: Commands come from twilio or kore, wireless or supersim"
            )
        ticket = self._handler.secrets.issue_shared_ticket(vendor, product, COMMANDS_NAME)
        return self.public_url + ticket.path

    def commands(self) -> InboundCommands:
        """Commands that devices send: `async for command in receiver.commands()`."""
        return self._handler.commands

    def register(
        self,
        vendor: Vendor,
        *,
        account: str,
        signing_secrets: Sequence[str],
        ticket_secrets: Sequence[bytes],
    ) -> Registration:
        """Register a client: its secrets verify callbacks until the registration is closed.

        `account` is its account SID or client id. `ticket_secrets` come from
        `derive_ticket_secret`; `signing_secrets` is empty when the client knows none, as with an
        API key.
        """
        if not ticket_secrets or not all(ticket_secrets):
            raise ConfigurationError("ticket_secrets is empty, or holds an empty one")
        client = ClientSecrets(
            vendor=vendor,
            account=account_tag(vendor.name, account),
            signing=checked_secrets(signing_secrets, "signing_secrets"),
            tickets=tuple(ticket_secrets),
        )
        return Registration(client, self._handler)

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        """Handle one request and return the HTTP status to respond with; for any web framework.

        `raw_target` is path and query as they came. Call it from the event loop: from a thread, as
        in a WSGI application, by `loop.call_soon_threadsafe`. 204: accepted. 403: wrong ticket or
        signature. 404: no ticket; 200 for `GET /` and paths that end in `/healthz` or the like.
        400, 405, 413, 414, 415: not a request that a vendor sends. 503: the queue of Commands
        is full. Respond to all but 204 with `Connection: close`.
        """
        if self._handler.shared is not None:
            raise ReceiverError(
                "with a bus, receive() cannot wait until a callback is stored: await"
                " receive_async() instead"
            )
        status = self._receive(method, raw_target, headers, body)
        assert isinstance(status, int)  # noqa: S101  # without a bus it is known at once
        return status

    async def receive_async(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Handle one request as `receive` does, with or without a bus.

        With a bus it returns 204 once the callback is durable, and 503 if it cannot be stored.
        """
        status = self._receive(method, raw_target, headers, body)
        return status if isinstance(status, int) else await status

    def _receive(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int | Awaitable[int]:
        self._check_loop()
        if not isinstance(body, bytes | bytearray | memoryview):
            raise TypeError(f"body is {type(body).__name__}: pass the raw bytes")
        lowered: dict[str, str] = {}
        for name, text in headers.items() if isinstance(headers, Mapping) else ((None, None),):
            if not (isinstance(name, str) and isinstance(text, str)):
                raise TypeError("headers: pass a mapping from each name to one text")
            lowered.setdefault(name.lower(), text)
        return self._handler.receive(method, raw_target, lowered, bytes(body))

    def verify_tickets_of(self, secrets: Sequence[str]) -> None:
        """Accept tickets that other processes signed with these secrets; replaces earlier ones.

        For a receiver that issues no tickets itself, such as that of `asyncsim receive`.
        """
        found = checked_secrets(secrets, "secrets")
        self._handler.secrets.set_further_tickets(map(derive_ticket_secret, found))

    def _check_loop(self) -> None:
        """Reject calls from another thread: they would resume waits outside their event loop."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None or self._loop.is_closed():
            self._bind(running)
        # Without any loop, only tests with a manual clock may call it.
        if running is not self._loop or (running is None and self._clock is SYSTEM_CLOCK):
            raise ReceiverError(
                "receive() was called outside the receiver's event loop; in a thread, for instance"
                " of a WSGI server, have loop.call_soon_threadsafe() call it"
            )


def checked_url(given: str | None) -> str | None:
    """Return a public URL without its trailing slash; ConfigurationError if it is not usable."""
    if given is None:
        return None
    # Tickets are appended to its text, and signatures cover that: so no query, and all encoded.
    if usable_url(given) is None or not given.isascii() or "?" in given or "#" in given:
        # The URL is not quoted: it may hold a password for the proxy in front.
        raise ConfigurationError(
            "public_url must read https://host[:port][/prefix] (or http://), percent-encoded,"
            " without query and fragment"
        )
    return given.rstrip("/")


def local_url(host: str, port: int) -> str:
    """Build the URL of a listener on this machine; ReceiverError for a host without a URL."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  # recognised, not bound
        raise ReceiverError(
            f"host={host!r} is not an address that can be called: pass a public_url to the receiver"
        )
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def without_login(url: str) -> str:
    """Return a URL without user and password, for reprs."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
