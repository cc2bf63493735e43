"""Client context: settings and shared machinery of one client.

Created without an event loop, and opened in the first one that uses it.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from asyncsim.callbacks.receiver import CallbackReceiver, Registration
from asyncsim.calls import Call
from asyncsim.clock import Clock
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.settings import RetryPolicy, Throttle, Timeout, Watching
from asyncsim.errors import ClientClosed, ConfigurationError, Unsupported
from asyncsim.events import Event, Observer, notify
from asyncsim.http.limiter import ConcurrencyLimiter, SharedLimit, shared_limiter
from asyncsim.http.proxies import Proxies
from asyncsim.http.sender import Sender
from asyncsim.http.transport import Transport
from asyncsim.logins import Login
from asyncsim.vendors import Hosts, Product

if TYPE_CHECKING:  # imported on first use
    from asyncsim.left_open import OpenClient

_DERIVED_SECRETS = 8
"""Ticket secrets derived from credentials that are kept: the current ones', and earlier ones'."""


class ClientContext:
    """Settings and shared machinery of one client; every resource sends through it."""

    def __init__(
        self,
        *,
        login: Login,
        ticket_secrets: Sequence[bytes],
        hosts: Hosts,
        session: ClientSession | None,
        proxies: Proxies,
        tls: ssl.SSLContext | None,
        receiver: CallbackReceiver | None,
        observers: Sequence[Observer],
        retry: RetryPolicy,
        throttle: Throttle,
        timeout: Timeout,
        watching: Watching,
        clock: Clock,
        shared_limit: SharedLimit | None = None,
    ) -> None:
        self.vendor = login.vendor
        self.account = login.account
        """Account SID or client id: identifies the account, and is not secret."""
        self.hosts = hosts
        self.observers = tuple(observers)
        self.retry = retry
        self.throttle = throttle
        self.timeout = timeout
        self.watching = watching
        self.clock = clock
        self._shared_limit = shared_limit
        self._limiter: ConcurrencyLimiter | None = None
        self.credentials_breaker = CredentialsBreaker(watching, clock.now)
        self._login = login
        self.reread_credentials: Callable[[], Awaitable[Mapping[str, Any] | None]] | None = None
        """Set before it opens: called when the credentials are rejected, to look for others."""
        self._own_ticket_secrets = tuple(ticket_secrets)
        self._derived_ticket_secrets: tuple[bytes, ...] = (login.ticket_secret,)
        """Of the current credentials, and of the latest before them."""
        self._session = session
        self.proxies = proxies
        self.tls = tls
        self._receiver = receiver
        self.watchers: list[Sized] = []
        """The watchers of this client's kinds; the length of each is the number of its waits."""
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Lock | None = None
        self._sender: Sender | None = None
        self.registration: Registration | None = None
        self._closed = False
        self._closed_by = ""
        self._open_client: OpenClient | None = None

    def __repr__(self) -> str:
        return f"<{self.vendor.title} at {self.hosts.supersim}>"

    @property
    def ticket_secrets(self) -> tuple[bytes, ...]:
        """Secrets of tickets and tokens: the first signs, all verify."""
        return (*self._own_ticket_secrets, *self._derived_ticket_secrets)

    @property
    def signing_secrets(self) -> Sequence[str]:
        """Secrets that the vendor signs this account's callbacks with; empty if none is known."""
        return self._login.signing_secrets

    def rotate(self, given: Mapping[str, Any]) -> None:
        """Use other credentials of the same account from now on."""
        before, login = self._login, self._login.rotated(given)
        self._login = login
        derived = (login.ticket_secret, *self._derived_ticket_secrets)
        self._derived_ticket_secrets = tuple(dict.fromkeys(derived))[:_DERIVED_SECRETS]
        if self.registration is not None:
            self.registration.rotate(login.signing_secrets, self.ticket_secrets)
        same = (login.user, login.secret) == (before.user, before.secret)
        if self._sender is not None and not same:
            self._sender.rotate(login.user, login.secret)
            self.credentials_breaker.reset()

    async def _reread_login(self) -> bool:
        """Look for other credentials; returns whether they have changed since it was called."""
        before = self._login
        given = await self.reread_credentials() if self.reread_credentials is not None else None
        if given is not None and self._login is before:  # else another request's look was first
            self.rotate(given)
        return self._login is not before

    @property
    def state(self) -> str:
        """Its state in words, for a repr."""
        if self._closed:
            return "closed"
        if self._sender is None:
            return "not opened yet"
        waits = self.pending_waits
        pending = f", {waits:,} pending wait{'' if waits == 1 else 's'}" if waits else ""
        return f"open: {self.requests:,} request{'' if self.requests == 1 else 's'} sent{pending}"

    @property
    def limit(self) -> float:
        """The current concurrency limit."""
        return self._sender.limit if self._sender is not None else float(self.throttle.limit)

    @property
    def in_flight(self) -> int:
        """Requests in flight, of all clients that share the throttle."""
        return self._sender.in_flight if self._sender is not None else 0

    @property
    def queued(self) -> int:
        """Requests that wait for a slot."""
        return self._sender.queued if self._sender is not None else 0

    @property
    def pending_waits(self) -> int:
        """Waits that have not ended, of all kinds."""
        return sum(map(len, self.watchers))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def requests(self) -> int:
        """Requests sent, each attempt counted."""
        return self._sender.requests if self._sender is not None else 0

    @property
    def throttled(self) -> int:
        """Requests throttled with 429, each attempt counted."""
        return self._sender.throttled if self._sender is not None else 0

    def base_url(self, product: Product) -> str:
        """Base URL of a product; `Unsupported` where the vendor documents none."""
        url = self.hosts.of(product)
        if url is None:
            raise Unsupported(
                f"{self.vendor.title} documents no {product.label} API;"
                f" if you know its URL, pass hosts=Hosts({product.value}=...)"
            )
        return url

    @property
    def current_sender(self) -> Sender | None:
        """The open sender, if called in its own loop: all but the first request get it here."""
        return self._sender if self._loop is asyncio.get_running_loop() else None

    async def open(self) -> Sender:
        """Return the sender; on first use bind to the running loop and start the receiver."""
        if self.current_sender is not None:
            return self.current_sender
        self._raise_if_closed()
        loop = asyncio.get_running_loop()
        if self._loop is None or self._opening is None:
            self._loop, self._opening = loop, asyncio.Lock()
        if self._loop is not loop:
            # aiohttp's sessions, and the futures of pending waits, belong to one loop.
            ended = ", which has ended" if self._loop.is_closed() else ""
            raise ConfigurationError(
                f"this client belongs to another event loop{ended} (perhaps another thread, or an"
                " earlier asyncio.run); create one client per loop, inside it: in a notebook by"
                " `client = await asyncsim.connect()`"
            )
        async with self._opening:
            self._raise_if_closed()  # closed while another task was opening it
            if self._receiver is not None and self.registration is None:
                await self._receiver.start()
                self._closers.append(self._receiver.stop)
                if self._closed:  # closed while the receiver started: stop it here
                    await self._run_closers()
                    raise ClientClosed
                self.registration = self._receiver.register(
                    self.vendor,
                    account=self.account,
                    signing_secrets=self._login.signing_secrets,
                    ticket_secrets=self.ticket_secrets,
                )
            if self._sender is None:
                transport = Transport(
                    self._session, self.timeout, self.clock, self.proxies, self.tls
                )
                self._sender = self._build_sender(transport)
                # With the user's own session and no receiver, nothing is left to be closed.
                if self._session is None or self._receiver is not None:
                    from asyncsim.left_open import OpenClient

                    name = f"asyncsim.Client of {self!r}"
                    self._open_client = OpenClient(self, name, transport.close)
                    await self._open_client.start()
            return self._sender

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise ClientClosed(self._closed_by)

    def _build_sender(self, transport: Transport) -> Sender:
        # Tracing without an SDK would cost each request 3 % (benchmarks/cases/observers.py).
        self.observers = tuple(one for one in self.observers if getattr(one, "enabled", True))
        ceiling = float(transport.max_connections) or math.inf
        # Slower than a quarter of the timeout: the server queues instead of throttling, and more at
        # once would only make requests time out.
        slow = self.timeout.request / 4
        limiter = shared_limiter(self.throttle, self.clock, ceiling=ceiling, slow=slow)
        self._limiter = limiter
        auth = self._login.connect(
            transport,
            self.hosts,
            clock=self.clock,
            retry=self.retry,
            timeout=self.timeout,
            notify=self.notify,
            vendor=self.vendor.name,
        )
        sender = Sender(
            vendor=self.vendor.name,
            transport=transport,
            auth=auth,
            limiter=limiter,
            clock=self.clock,
            retry=self.retry,
            timeout=self.timeout,
            observers=self.observers,
            on_success=self.credentials_breaker.succeeded,
            reread_login=self._reread_login if self.reread_credentials is not None else None,
        )
        # The sender first, so that queued and paused requests end before their connections do.
        self._closers += [transport.close, auth.close, sender.close]
        self._join_shared_limit()
        return sender

    def use_shared_limit(self, shared: SharedLimit) -> None:
        """Share the limit with other processes, unless it already is; call it in its loop."""
        if self._shared_limit is None:
            self._shared_limit = shared
            self._join_shared_limit()

    def _join_shared_limit(self) -> None:
        if self._shared_limit is not None and self._limiter is not None:
            account = f"{self.vendor.name} {self.account}"
            leave = self._shared_limit.attach(account, self._limiter, self.clock)
            # Called last: what is still in flight uses the share until then.
            self._closers.insert(0, leave)

    def call(self, product: str, name: str) -> Call:
        """Build the frame of a public call, to be used in `with`."""
        return Call(
            self.observers, self.clock.now, vendor=self.vendor.name, product=product, call=name
        )

    def notify(self, event: Event) -> None:
        """Notify this client's observers."""
        if self.observers:
            notify(self.observers, event)

    def on_close(self, closer: Callable[[], Awaitable[object]]) -> None:
        """Call `close` before the context itself closes; the latest registered first."""
        self._closers.append(closer)

    def remove_on_close(self, closer: Callable[[], Awaitable[object]]) -> None:
        """Undo an `on_close`."""
        if closer in self._closers:
            self._closers.remove(closer)

    async def close(self, because: str = "") -> None:
        """End waits and tasks, close the session unless it is the user's; may be called twice.

        `because` goes before the message of later calls.
        """
        loop = self._loop
        if loop is not None and loop is not asyncio.get_running_loop() and loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(self.close(because), loop)
            await asyncio.wrap_future(closing)
            return
        self._closed, self._closed_by = True, because
        if self._open_client is not None:
            await self._open_client.stop()
        if self.registration is not None:
            self.registration.close()
        try:
            if self._opening is not None and self._sender is None:
                async with self._opening:  # an opening in progress sees the flag and ends
                    pass
        finally:
            await self._run_closers()
            self._sender = None

    async def _run_closers(self) -> None:
        """Run them all, even if one fails: a second Ctrl-C must not leave a port open."""
        first_error: BaseException | None = None
        while self._closers:
            try:
                await self._closers.pop()()
            except BaseException as error:  # noqa: BLE001  # raised below
                first_error = first_error or error
        if first_error is not None:
            raise first_error
