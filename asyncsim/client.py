"""The client: one account at one vendor."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack, cast

from aiohttp import ClientSession
from yarl import URL

# Code shared by all kinds is imported with the package: inside the first request it would take
# five times as long as the request itself. Kinds are imported on first use
# (benchmarks/cases/startup.py).
import asyncsim.resources.update_many  # noqa: F401
from asyncsim.callbacks.receiver import CallbackReceiver
from asyncsim.callbacks.secrets import checked_secrets
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.context import ClientContext
from asyncsim.core.settings import RetryPolicy, Throttle, Timeout, Watching
from asyncsim.errors import ConfigurationError
from asyncsim.events import ClientObserver, Observer
from asyncsim.http.limiter import SharedLimit
from asyncsim.http.proxies import Proxies, check_session
from asyncsim.logins import Login, kore_login, twilio_login
from asyncsim.redaction import Redacted, redact, redact_all
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.monitor import Monitor
from asyncsim.resources.supersim import SuperSim
from asyncsim.resources.webhooks import Webhooks
from asyncsim.resources.wireless import Wireless
from asyncsim.suggestions import did_you_mean
from asyncsim.validation import invalid_characters
from asyncsim.vendors import (
    EMULATOR_CREDENTIALS,
    VENDORS,
    Hosts,
    Vendor,
    emulator_hosts,
)

if TYPE_CHECKING:  # kinds are imported on first use
    from asyncsim.models.supersim.sims import Sim as SuperSimSim
    from asyncsim.models.wireless.sims import Sim as WirelessSim
    from asyncsim.resources.prepared import Wait

logger = logging.getLogger("asyncsim")


class Settings(TypedDict, total=False):
    """Keywords that every constructor of a client takes."""

    hosts: Hosts | None
    """Other base URLs: a gateway, a proxy, the emulator."""
    session: ClientSession | None
    """Your own session; it is used, never closed, and applies its own proxy and TLS settings."""
    proxy: str | None
    """`http://[user:password@]host:port` of a proxy that all requests go through."""
    proxies_from_env: bool
    """Use HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment, never for loopback.
    False, as in aiohttp; the command line has True."""
    ssl: SSLContext | None
    """For certificates of your own: `ssl.create_default_context(cafile="ca.pem")`. None: trust
    the system's, or those in the file that SSL_CERT_FILE names."""
    receiver: CallbackReceiver | None
    """Listens for callbacks; every wait uses it. Started and stopped with the client."""
    ticket_secrets: Sequence[str]
    """The first signs the tokens of waits, and the tickets of callback URLs unless the receiver has
    secrets of its own; all verify, so that they can be rotated. One derived from the credentials
    verifies as well, and signs if there are none."""
    observers: Sequence[Observer]
    retry: RetryPolicy
    throttle: Throttle | None
    """Give the same object to all clients of one account. None: a new one."""
    shared_limit: SharedLimit | None
    """`asyncsim.PostgresLimit`: one limit for the account's clients in all processes. None: this
    process adapts its limit alone."""
    timeout: Timeout
    watching: Watching
    clock: Clock | None
    """For tests: `asyncsim.clock.ManualClock`."""


class Credentials(TypedDict, total=False):
    """Keywords of `Client.rotate`."""

    account_sid: str
    """Twilio: if given, must be this client's account."""
    auth_token: str | None
    """None: no longer known. The API key logs in, and callbacks are not verified."""
    api_key: str | None
    api_secret: str | None
    """None, like `api_key`: log in with the auth token."""
    client_id: str
    """KORE: if given, must be this client's API client."""
    client_secret: str
    webhook_secrets: Sequence[str]
    """All that verify from now on."""


class Client:
    """Created by `Client.twilio`, `Client.kore` or `Client.from_env`; use it in `async with`.

    It may be created anywhere, and is bound to the event loop of its first request.
    """

    def __init__(self, context: ClientContext) -> None:
        self.context = context
        """Internal: settings and machinery that the resources and bulk jobs share."""
        self.wireless = Wireless(context)
        """Programmable Wireless."""
        self.supersim = SuperSim(context)
        """Super SIM."""
        self.monitor = Monitor(context)
        """The audit trail, at Twilio."""
        self.webhooks = Webhooks(context)
        """KORE's signing secrets."""
        for observer in context.observers:
            if isinstance(observer, ClientObserver):
                observer.add_client(self)

    def __repr__(self) -> str:
        return f"<asyncsim.Client of {self.context!r}, {self.context.state}>"

    @property
    def vendor(self) -> Vendor:
        """The vendor whose API it calls."""
        return self.context.vendor

    @property
    def concurrency_limit(self) -> float:
        """The current concurrency limit; it adapts to 429s."""
        return self.context.limit

    @property
    def throttle(self) -> Throttle:
        """Its throttle; clients that were given the same object share its limit."""
        return self.context.throttle

    @property
    def in_flight(self) -> int:
        """Requests in flight, of all clients that share the throttle."""
        return self.context.in_flight

    @property
    def queued_requests(self) -> int:
        """Requests of this client that wait because of the limit, or of a pause of all requests."""
        return self.context.queued

    @property
    def pending_waits(self) -> int:
        """Waits that have not ended: SIMs, Commands and eSIM profiles that have not settled."""
        return self.context.pending_waits

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.context.closed

    @property
    def requests(self) -> int:
        """Requests sent by this client, each attempt counted."""
        return self.context.requests

    @classmethod
    @expand_keywords
    def twilio(
        cls,
        account_sid: str,
        auth_token: str | None = None,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """Log in at Twilio with the auth token, or with an API key and its secret.

        Callbacks are signed with the auth token only, so with an API key alone each callback is
        unconfirmed and costs a read. Source: Twilio docs, "Secure webhooks".
        """
        auth_token, api_secret = redact(auth_token), redact(api_secret)
        login = twilio_login(account_sid, auth_token, api_key, api_secret)
        if settings.get("receiver") is not None and not login.signing_secrets:
            logger.info(
                "no auth_token: Twilio's callbacks cannot be verified, so each is confirmed by a"
                " read; give auth_token= as well as the API key to avoid that"
            )
        return cls(_context(login, settings))

    @classmethod
    @expand_keywords
    def kore(
        cls,
        client_id: str,
        client_secret: str,
        *,
        webhook_secrets: Sequence[str] = (),
        **settings: Unpack[Settings],
    ) -> Self:
        """Log in at KORE with an API client's credentials.

        KORE signs callbacks with secrets of their own: give those of this account as
        `webhook_secrets`, both during a rotation. Without them each callback is unconfirmed and
        costs a read. Source: KORE docs, "Validate Webhook Signatures".
        """
        client_secret, webhook_secrets = redact(client_secret), redact_all(webhook_secrets)
        return cls(_context(kore_login(client_id, client_secret, webhook_secrets), settings))

    @classmethod
    @expand_keywords
    def from_env(cls, vendor: str | None = None, **settings: Unpack[Settings]) -> Self:
        """Log in with credentials from environment variables.

        `TWILIO_ACCOUNT_SID` with `TWILIO_AUTH_TOKEN` or `TWILIO_API_KEY` and `TWILIO_API_SECRET`;
        `ASYNCSIM_KORE_CLIENT_ID` with `ASYNCSIM_KORE_CLIENT_SECRET`, and
        `ASYNCSIM_KORE_WEBHOOK_SECRET` to verify callbacks. `ASYNCSIM_EMULATOR` is the
        URL of an emulator to use instead; alone, it selects Twilio, with the emulator's
        own credentials. `ASYNCSIM_EMULATOR_SPEED` is its `--speed`: waits then poll as much faster,
        unless `watching` is given. `vendor` is needed when both vendors are set.
        """
        name = _choose_vendor(vendor)
        emulator = _use_emulator(name, settings)
        own = EMULATOR_CREDENTIALS if emulator and _variable(_ACCOUNTS[name]) is None else None
        if name == "kore":
            signing = _variable("ASYNCSIM_KORE_WEBHOOK_SECRET") or (own and own.webhook_secret)
            return cls.kore(
                own.client_id if own else _required("ASYNCSIM_KORE_CLIENT_ID"),
                own.client_secret if own else _required("ASYNCSIM_KORE_CLIENT_SECRET"),
                webhook_secrets=[signing] if signing else [],
                **settings,
            )
        if own:
            return cls.twilio(own.account_sid, own.auth_token, **settings)
        return cls.twilio(
            _required("TWILIO_ACCOUNT_SID"),
            _variable("TWILIO_AUTH_TOKEN"),
            api_key=_variable("TWILIO_API_KEY"),
            api_secret=_variable("TWILIO_API_SECRET"),
            **settings,
        )

    @classmethod
    @expand_keywords
    def from_profile(cls, name: str | None = None, **settings: Unpack[Settings]) -> Self:
        """Log in with a profile that `asyncsim auth login` has stored; needs the extra `cli`.

        None: the one that ASYNCSIM_PROFILE names, else the current one. Secrets are resolved here:
        a `command:` runs for up to 30 seconds, while the event loop waits. `ConfigurationError` if
        there is no such profile, or a secret cannot be had. `ASYNCSIM_EMULATOR` applies.
        """
        from asyncsim.profiles import NAME_VARIABLE, read_profiles

        profile = read_profiles().choose(name or _variable(NAME_VARIABLE))
        _use_emulator(profile.vendor, settings)
        log_in = cls.kore if profile.vendor == "kore" else cls.twilio
        return log_in(**profile.credentials(), **settings)

    @expand_keywords
    def rotate(self, **credentials: Unpack[Credentials]) -> None:
        """Use other credentials of the same account from now on; call it in the client's loop.

        Give those that change: at Twilio `auth_token`, or `api_key` and `api_secret`; at KORE
        `client_secret` or `webhook_secrets`. Requests in flight finish, and those rejected because
        of the old credentials are retried; waits and jobs go on. Callbacks signed with the old
        ones are accepted for an hour. `ConfigurationError` for another account's or vendor's.
        """
        given = cast("dict[str, Any]", credentials)
        for name, value in given.items():  # in place: a traceback shows this frame
            given[name] = redact_all(value) if name == "webhook_secrets" else redact(value)
        self.context.rotate(given)

    def resume(self, token: str) -> Wait[SuperSimSim] | Wait[WirelessSim]:
        """Go on with the wait for a prepared update, in any process of the same account.

        `await` it for the settled Sim, or iterate over it. It never sends the change: if that was
        perhaps never sent, `PerhapsNeverSent` says so at the deadline. After the deadline it reads
        the Sim once. `TokenError` if the token was changed, cut off, made for another account, or
        signed with none of this client's `ticket_secrets`.
        """
        from asyncsim.resources.prepared import resume  # not every program resumes waits

        return resume(token, (self.supersim.sims.resource, self.wireless.sims.resource))

    async def open(self) -> None:
        """Start the receiver, if there is one; `async with` does this."""
        await self.context.open()

    async def close(self) -> None:
        """End waits, close its own session, stop the receiver; may be called twice."""
        await self.context.close()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _context(login: Login, settings: Settings) -> ClientContext:
    settings["proxy"] = redact(settings.get("proxy"))  # it may hold a password
    settings["ticket_secrets"] = redact_all(settings.get("ticket_secrets", ()))
    _check_settings(settings)
    ticket_secrets = checked_secrets(settings["ticket_secrets"], "ticket_secrets")
    hosts = (settings.get("hosts") or Hosts()).over(login.vendor.hosts)
    session = settings.get("session")
    proxies = Proxies(settings.get("proxy"), from_env=bool(settings.get("proxies_from_env", False)))
    # Checked now: a bad session would fail, or log in as another account, at each request.
    urls = [URL(url) for url in hosts.all() if url]
    if session is not None:
        if settings.get("proxy") or settings.get("proxies_from_env"):
            raise ConfigurationError(
                "session=... has its own proxy settings: create it with ClientSession(proxy=...),"
                " or leave session=... out"
            )
        if settings.get("ssl") is not None:
            raise ConfigurationError(
                "session=... has its own TLS settings: create it with"
                " ClientSession(connector=TCPConnector(ssl=...)), or leave session=... out"
            )
        check_session(session, urls)
    for url in urls:
        proxies.proxy_for(url)

    return ClientContext(
        login=login,
        ticket_secrets=tuple(map(derive_ticket_secret, ticket_secrets)),
        hosts=hosts,
        session=session,
        proxies=proxies,
        tls=settings.get("ssl"),
        receiver=settings.get("receiver"),
        observers=settings.get("observers", ()),
        retry=settings.get("retry") or RetryPolicy(),
        throttle=settings.get("throttle") or Throttle(),
        timeout=settings.get("timeout") or Timeout(),
        watching=settings.get("watching") or Watching(),
        clock=settings.get("clock") or SYSTEM_CLOCK,
        shared_limit=settings.get("shared_limit"),
    )


# The variable whose presence means that the environment has credentials for that vendor.
_ACCOUNTS: Mapping[str, str] = {"twilio": "TWILIO_ACCOUNT_SID", "kore": "ASYNCSIM_KORE_CLIENT_ID"}


def _choose_vendor(vendor: str | None) -> str:
    if vendor is not None:
        if vendor not in VENDORS:
            raise ConfigurationError(f"vendor={vendor!r}: must be {' or '.join(VENDORS)}")
        return vendor
    found = [name for name in VENDORS if _variable(_ACCOUNTS[name]) is not None]
    if len(found) > 1:
        raise ConfigurationError(
            "the environment has credentials for both vendors; pass vendor='twilio' or 'kore'"
        )
    if not found and _variable("ASYNCSIM_EMULATOR") is None:
        raise ConfigurationError(
            "no credentials in the environment: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or"
            " ASYNCSIM_KORE_CLIENT_ID and ASYNCSIM_KORE_CLIENT_SECRET, or ASYNCSIM_EMULATOR"
        )
    return found[0] if found else "twilio"


def _use_emulator(vendor: str, settings: Settings) -> bool:
    """Point a client at the emulator that the environment names; returns whether it names one."""
    emulator = _variable("ASYNCSIM_EMULATOR")
    if emulator and settings.get("hosts") is None:
        try:
            settings["hosts"] = emulator_hosts(emulator, VENDORS[vendor])
        except ValueError:
            raise ConfigurationError(
                "ASYNCSIM_EMULATOR must read http://host:port, as `asyncsim emulate` prints it"
            ) from None
        settings["watching"] = settings.get("watching") or _emulator_watching()
    return emulator is not None


def _variable(name: str) -> Redacted | None:
    # An empty variable counts as missing: that is how shells and CI systems unset one.
    value = Redacted(os.environ.get(name, ""))
    if not value:
        return None
    if found := invalid_characters(value):
        raise ConfigurationError(f"{name} in the environment has {found}")
    return value


def _emulator_watching() -> Watching:
    speed = _variable("ASYNCSIM_EMULATOR_SPEED")
    try:
        return Watching() if speed is None else Watching().at_speed(float(speed))
    except ValueError:
        raise ConfigurationError("ASYNCSIM_EMULATOR_SPEED must be a number above 0") from None


def _required(name: str) -> Redacted:
    value = _variable(name)
    if value is None:
        raise ConfigurationError(f"{name} is not set")
    return value


_SETTING_TYPES: Mapping[str, type] = {
    "hosts": Hosts,
    "retry": RetryPolicy,
    "throttle": Throttle,
    "timeout": Timeout,
    "watching": Watching,
    "receiver": CallbackReceiver,
    "ssl": SSLContext,
}


def _check_settings(settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        if name not in Settings.__annotations__:
            known = Settings.__annotations__
            hint = did_you_mean(name, known, f"it takes {', '.join(known)}")
            raise TypeError(f"Client has no setting {name!r}; {hint}")
        if name == "shared_limit" and not isinstance(value, SharedLimit | None):
            raise TypeError("shared_limit=...: pass an asyncsim.PostgresLimit(url)")  # no password
        wanted = _SETTING_TYPES.get(name, object)
        if value is not None and not isinstance(value, wanted):
            raise TypeError(
                f"{name}={value!r}: pass a {wanted.__module__.partition('.')[0]}.{wanted.__name__}"
            )
