"""What both sides know of the emulator: where its rooms are and who may enter.

Here, below both towers, because `Client.from_env()` must reach an emulator that runs in another
process. These are no secrets: the emulator prints them, and only loopback knows them.
"""

from __future__ import annotations

from attrs import frozen

from asyncsim.vendors import Hosts, Vendor


@frozen(kw_only=True)
class Credentials:
    """Everything one may log in with, and what callbacks are signed with."""

    account_sid: str
    auth_token: str
    api_key: str
    api_secret: str
    client_id: str
    client_secret: str
    webhook_secret: str


CREDENTIALS = Credentials(
    account_sid="AC" + "e" * 32,
    auth_token="emulated-auth-token",  # noqa: S106  # printed by the emulator
    api_key="SK" + "e" * 32,
    api_secret="emulated-api-secret",  # noqa: S106
    client_id="apiclient_emulated",
    client_secret="emulated-client-secret",  # noqa: S106
    webhook_secret="emulated-webhook-secret",  # noqa: S106
)


def hosts(url: str, vendor: Vendor) -> Hosts:
    """Base URLs of one vendor's rooms in the emulator at `url`."""
    base = f"{url.rstrip('/')}/{vendor.name}"
    return Hosts(
        wireless=f"{base}/wireless",
        supersim=f"{base}/supersim",
        # KORE documents no Monitor API.
        monitor=f"{base}/monitor" if vendor.hosts.monitor else None,
        webhooks=f"{base}/webhooks" if vendor.hosts.webhooks else None,
        token=f"{base}/auth/token" if vendor.hosts.token else None,
    )
