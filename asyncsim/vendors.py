"""The two vendors as data: hosts, logins, header names; and those of the emulator."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal

from attrs import Attribute, evolve, field, frozen

from asyncsim.validation import usable_url


class Product(enum.StrEnum):
    """A namespace of the client, and one host of a vendor."""

    WIRELESS = "wireless"
    SUPERSIM = "supersim"
    MONITOR = "monitor"
    WEBHOOKS = "webhooks"

    @property
    def label(self) -> str:
        """The product's name in prose."""
        return {"wireless": "Programmable Wireless", "supersim": "Super SIM"}.get(
            self.value, self.value.capitalize()
        )


def _check_base_url(owner: object, attribute: Attribute[str | None], url: str | None) -> None:
    if url is None:
        return
    parts = usable_url(url)
    # A path is sent as written, so it has to be encoded already. Credentials here would replace
    # the client's own, and a query or fragment would end up before the path of each request.
    if (
        parts is None
        or not parts.path.isascii()
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        # The URL is not quoted: it may hold a password.
        raise ValueError(
            f"Hosts({attribute.name}=...) must read https://host[:port][/prefix] (or http://),"
            " percent-encoded, without blanks, login, query or fragment"
        )


@frozen(kw_only=True)
class Hosts:
    """Base URLs, without a trailing slash and without `/v1`; None: the vendor's own.

    `token` is the full URL of KORE's token endpoint. Point them at a gateway, a proxy or
    the emulator.
    """

    wireless: str | None = field(default=None, validator=_check_base_url)
    supersim: str | None = field(default=None, validator=_check_base_url)
    monitor: str | None = field(default=None, validator=_check_base_url)
    webhooks: str | None = field(default=None, validator=_check_base_url)
    token: str | None = field(default=None, validator=_check_base_url)

    def over(self, defaults: Hosts) -> Hosts:
        """These hosts, with `defaults` for those that are None."""
        given = {
            name: value.rstrip("/")
            for name in ("wireless", "supersim", "monitor", "webhooks", "token")
            if isinstance(value := getattr(self, name), str)
        }
        return evolve(defaults, **given)

    def all(self) -> tuple[str | None, ...]:
        """All of them, the token endpoint's included."""
        return self.wireless, self.supersim, self.monitor, self.webhooks, self.token

    def of(self, product: Product) -> str | None:
        """The base URL of one product."""
        value: str | None = getattr(self, product.value)
        return value


@frozen(kw_only=True, eq=False)
class Vendor:
    """One vendor: everything that differs between them, as data."""

    name: Literal["twilio", "kore"]
    title: str
    hosts: Hosts
    login: Literal["basic", "client_credentials"]
    signature_header: str
    """Header that carries a callback's signature, lower case."""
    idempotency_header: str
    """Header that stays the same when a callback is delivered again, lower case."""


TWILIO = Vendor(
    name="twilio",
    title="Twilio",
    hosts=Hosts(
        wireless="https://wireless.twilio.com",
        supersim="https://supersim.twilio.com",
        monitor="https://monitor.twilio.com",
    ),
    login="basic",
    signature_header="x-twilio-signature",
    idempotency_header="i-twilio-idempotency-token",
)

KORE = Vendor(
    name="kore",
    title="KORE",
    hosts=Hosts(
        wireless="https://programmable-wireless.api.korewireless.com",
        supersim="https://supersim.api.korewireless.com",
        webhooks="https://webhook.api.korewireless.com",
        token="https://api.korewireless.com/api-services/v1/auth/token",  # noqa: S106  # a URL
    ),
    login="client_credentials",
    signature_header="kore-signature",
    idempotency_header="kore-idempotency-token",
)

VENDORS: Mapping[str, Vendor] = {"twilio": TWILIO, "kore": KORE}


@frozen(kw_only=True)
class EmulatorCredentials:
    """Credentials that the emulator accepts, and secrets that it signs callbacks with."""

    account_sid: str
    auth_token: str
    api_key: str
    api_secret: str
    client_id: str
    client_secret: str
    webhook_secret: str


# The emulator's own, known to both sides: `Client.from_env()` must reach an emulator that runs in
# another process. No secrets: `asyncsim emulate` prints them, and it listens on loopback.
EMULATOR_CREDENTIALS = EmulatorCredentials(
    account_sid="AC" + "e" * 32,
    auth_token="emulated-auth-token",  # noqa: S106  # printed by the emulator
    api_key="SK" + "e" * 32,
    api_secret="emulated-api-secret",  # noqa: S106
    client_id="apiclient_emulated",
    client_secret="emulated-client-secret",  # noqa: S106
    webhook_secret="emulated-webhook-secret",  # noqa: S106
)


def emulator_hosts(url: str, vendor: Vendor) -> Hosts:
    """Base URLs of one vendor's products at the emulator that listens at `url`."""
    base = f"{url.rstrip('/')}/{vendor.name}"
    return Hosts(
        wireless=f"{base}/wireless",
        supersim=f"{base}/supersim",
        # Only what the vendor documents: KORE has no Monitor API, Twilio no webhook secrets.
        monitor=f"{base}/monitor" if vendor.hosts.monitor else None,
        webhooks=f"{base}/webhooks" if vendor.hosts.webhooks else None,
        token=f"{base}/auth/token" if vendor.hosts.token else None,
    )
