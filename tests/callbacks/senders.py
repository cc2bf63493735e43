"""Callbacks as the vendors send them, built from their documents."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import aiohttp
from attrs import field, frozen
from yarl import URL

from asyncsim.callbacks import CallbackReceiver
from asyncsim.core.signatures import kore_signature, twilio_signature

FORM = "application/x-www-form-urlencoded"
SIM = "HS" + "0" * 32
ACTIVE = {"SimSid": SIM, "SimStatus": "active", "AccountSid": "AC" + "1" * 32}


@frozen(kw_only=True)
class Sent:
    """One delivery, ready to be passed to a receiver or posted."""

    method: str
    url: str
    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""

    def received_by(self, receiver: CallbackReceiver, *, path: str | None = None) -> int:
        """Pass it to the receiver without a socket, with another path if a proxy changed it."""
        parts = urlsplit(self.url)
        target = (path or parts.path) + (f"?{parts.query}" if parts.query else "")
        return receiver.receive(self.method, target, self.headers, self.body)

    async def post(self, *, to: str | None = None) -> int:
        """Send it over a real socket."""
        url = URL(to or self.url, encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(self.method, url, headers=self.headers, data=self.body) as response,
        ):
            return response.status


def twilio(url: str, params: dict[str, str] = ACTIVE, *, secret: str = "auth-token") -> Sent:
    """A POST signed with an auth token."""
    signature = twilio_signature(secret, url, {name: [text] for name, text in params.items()})
    headers = {"Content-Type": FORM, "X-Twilio-Signature": signature}
    return Sent(method="POST", url=url, headers=headers, body=urlencode(params).encode())


def twilio_get(url: str, params: dict[str, str] = ACTIVE, *, secret: str = "auth-token") -> Sent:
    """A GET with its parameters in the URL, which is signed."""
    whole = f"{url}?{urlencode(params)}"
    headers = {"X-Twilio-Signature": twilio_signature(secret, whole)}
    return Sent(method="GET", url=whole, headers=headers)


def kore(url: str, params: dict[str, str] = ACTIVE, *, secret: str = "webhook-secret") -> Sent:
    """A POST signed with a webhook secret."""
    body = urlencode(params).encode()
    headers = {"Content-Type": FORM, "kore-signature": kore_signature(secret, "POST", url, body)}
    return Sent(method="POST", url=url, headers=headers, body=body)


def kore_get(url: str, params: dict[str, str] = ACTIVE, *, secret: str = "webhook-secret") -> Sent:
    """A GET whose signature does not cover the query, and so none of its parameters."""
    headers = {"kore-signature": kore_signature(secret, "GET", url, b"")}
    return Sent(method="GET", url=f"{url}?{urlencode(params)}", headers=headers)


def plain(sent: Sent, **headers: str) -> Sent:
    """The same delivery without its signature, with other headers."""
    return Sent(
        method=sent.method,
        url=sent.url,
        headers={"Content-Type": FORM} | {k.replace("_", "-"): v for k, v in headers.items()},
        body=sent.body,
    )
