"""Logins: the credentials of one account, and what is derived from them.

A login is frozen. A rotation makes another one of the same account, which requests, callbacks and
tickets use from that moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from asyncsim.callbacks.secrets import checked_secrets
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.errors import ConfigurationError
from asyncsim.http.auth import Auth, BasicAuth, ClientCredentials
from asyncsim.http.transport import Transport
from asyncsim.redaction import Redacted, redact, redact_all
from asyncsim.validation import invalid_characters
from asyncsim.vendors import KORE, TWILIO, Hosts, Vendor


@frozen(kw_only=True, eq=False)
class Login:
    """The credentials of one account at one vendor; no repr shows a secret."""

    vendor: Vendor
    account: str
    """Account SID or client id: identifies the account, and is not secret."""
    user: str
    """The user that requests log in as."""
    secret: str = field(repr=False)
    """Its password."""
    signing_secrets: Sequence[str] = field(repr=False)
    """Secrets that the vendor signs this account's callbacks with; empty if none is known."""
    ticket_secret: bytes = field(repr=False)
    """Derived from the credentials, so that replicas and restarts agree on it."""
    given: Mapping[str, Any] = field(repr=False)
    """The keywords that it was built from."""

    def rotated(self, given: Mapping[str, Any]) -> Login:
        """Replace some of its keywords; `ConfigurationError` if they are not this account's."""
        build, identity = _VENDORS[self.vendor.name]
        others = sorted(set(given) - set(self.given))
        names = ", ".join(f"{name}=" for name in self.given if name != identity)
        if others or not set(given) - {identity}:
            what = f"{others[0]}= is not a credential of" if others else "pass credentials of"
            raise ConfigurationError(f"rotate(): {what} {self.vendor.title}, which has {names}")
        if given.get(identity, self.account) != self.account:
            raise ConfigurationError(
                f"rotate(): {identity}= is another account's; this client is bound to"
                f" {self.account}, create a client for the other account"
            )
        return build(**{**self.given, **given})

    def connect(self, transport: Transport, hosts: Hosts, **more: Any) -> Auth:
        """Build the login of a sender; `more` is what only the token endpoint needs."""
        if self.vendor is TWILIO:
            return BasicAuth(self.user, self.secret)
        return ClientCredentials(transport, hosts.token or "", self.user, self.secret, **more)


def twilio_login(
    account_sid: str,
    auth_token: str | None = None,
    api_key: str | None = None,
    api_secret: str | None = None,
) -> Login:
    """Check Twilio's credentials: the auth token, or an API key and its secret.

    The auth token also verifies callbacks, which no API key can (Twilio docs, "Secure webhooks").
    """
    auth_token, api_secret = redact(auth_token), redact(api_secret)
    _check_credential("account_sid", account_sid)
    _check_credential("auth_token", auth_token, optional=True)
    _check_credential("api_key", api_key, optional=True)
    _check_credential("api_secret", api_secret, optional=True)
    if bool(api_key) != bool(api_secret):
        raise ConfigurationError("api_key and api_secret go together; one of them is missing")
    user, password = (api_key, api_secret) if api_key else (account_sid, auth_token)
    if not user or not password:
        raise ConfigurationError("Twilio needs auth_token=..., or api_key=... and api_secret=...")
    return Login(
        vendor=TWILIO,
        account=account_sid,
        user=user,
        secret=password,
        signing_secrets=(auth_token,) if auth_token else (),
        ticket_secret=derive_ticket_secret(Redacted(f"{account_sid}:{auth_token or password}")),
        given={
            "account_sid": account_sid,
            "auth_token": auth_token,
            "api_key": api_key,
            "api_secret": api_secret,
        },
    )


def kore_login(client_id: str, client_secret: str, webhook_secrets: Sequence[str] = ()) -> Login:
    """Check KORE's credentials: an API client's, and the secrets that sign callbacks."""
    client_secret, webhook_secrets = redact(client_secret), redact_all(webhook_secrets)
    _check_credential("client_id", client_id)
    _check_credential("client_secret", client_secret)
    signing = checked_secrets(webhook_secrets, "webhook_secrets")
    return Login(
        vendor=KORE,
        account=client_id,
        user=client_id,
        secret=client_secret,
        signing_secrets=signing,
        ticket_secret=derive_ticket_secret(Redacted(f"{client_id}:{client_secret}")),
        given={
            "client_id": client_id,
            "client_secret": client_secret,
            "webhook_secrets": signing,
        },
    )


_VENDORS: Mapping[str, tuple[Callable[..., Login], str]] = {
    "twilio": (twilio_login, "account_sid"),
    "kore": (kore_login, "client_id"),
}
"""Vendor -> what builds its login, and the keyword that names the account."""


def _check_credential(name: str, value: object, *, optional: bool = False) -> None:
    # Messages never quote a credential.
    if optional and value in (None, ""):
        return
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} is empty")
    if found := invalid_characters(value):
        raise ConfigurationError(f"{name} has {found}")
