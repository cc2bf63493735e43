"""A callback as it is sent: its URL, its body, its signed headers.

Sources: Twilio docs, Secure webhooks; KORE docs, Webhooks, Idempotency, and Validate Webhook
Signatures.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode, urlsplit

from attrs import frozen

from asyncsim.emulator import signing
from asyncsim.emulator.request_log import Entry
from asyncsim.emulator.settings import Behaviour

Outcome = Literal["delivered", "failed", "lost", "refused"]


@frozen
class Callback:
    """Where an update asked to be called."""

    url: str
    method: str = "POST"


@frozen(kw_only=True)
class Letter:
    """What is to be delivered, as its errand keeps it."""

    vendor: str
    account_sid: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    attempt: int = 1


@frozen(kw_only=True)
class Delivery(Entry):
    """One attempt to deliver a callback, and how it ended."""

    seconds: float
    """When it ended, on the emulator's clock."""
    vendor: str
    account_sid: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    """The idempotency token: the same for every attempt and copy of one callback."""
    attempt: int
    outcome: Outcome
    status: int | None = None
    """HTTP status of the listener's answer; None: there was none."""
    reason: str | None = None
    code: int | None = None
    """What the vendor's debugger would show: 11205, no connection; 83402, an IP Command's listener
    answered with an error."""


@frozen
class Parcel:
    """A letter ready to be sent."""

    url: str
    body: bytes | None
    headers: dict[str, str]


def pack(letter: Letter, secret: str | None, behaviour: Behaviour, now: datetime) -> Parcel:
    """Address a letter and sign it with its account's secret."""
    url, body = _addressed(letter, behaviour)
    if letter.vendor == "kore":
        headers = _kore_headers(letter, url, body, secret if behaviour.kore_signs else None, now)
    else:
        headers = _twilio_headers(letter, url, secret or "")
    if letter.method != "POST":
        return Parcel(url, None, headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Parcel(url, body.encode(), headers)


def _addressed(letter: Letter, behaviour: Behaviour) -> tuple[str, str]:
    """The URL to call and the POST's body; a GET carries its parameters in the query."""
    query = urlencode(letter.params)
    if letter.method == "POST":
        return letter.url, query
    bare, _, own = letter.url.partition("?")
    if own and behaviour.get_callback_query == "append":
        query = f"{own}&{query}"
    return f"{bare}?{query}", ""


def _twilio_headers(letter: Letter, url: str, auth_token: str) -> dict[str, str]:
    signed = letter.params.items() if letter.method == "POST" else ()
    return {
        "X-Twilio-Signature": signing.twilio(auth_token, url, signed),
        "I-Twilio-Idempotency-Token": letter.token,
        "User-Agent": "TwilioProxy/1.1",
    }


def _kore_headers(
    letter: Letter, url: str, body: str, secret: str | None, now: datetime
) -> dict[str, str]:
    return {
        "kore-signature": signing.kore(secret, letter.method, url, body),
        "kore-idempotency-token": letter.token,
        # Not the form of RFC 9110, but this is what KORE documents.
        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user-agent": "KoreProxy/1.1",
    }


@frozen
class Sent:
    """What came of sending a parcel."""

    status: int | None = None
    reason: str | None = None
    connected: bool = True

    @property
    def good(self) -> bool:
        """Whether the listener has taken it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def deserves_another(vendor: str, sent: Sent) -> bool:
    """Both try a connection that failed twice; only KORE repeats an answer: 408, 423 and 5xx."""
    if sent.status is None:
        return not sent.connected
    return vendor == "kore" and (sent.status in (408, 423) or sent.status >= 500)


def debugger_code(sid: str, sent: Sent) -> int | None:
    """The error that the vendor's debugger shows for a delivery (Twilio docs, errors)."""
    if not sent.connected:
        return 11205
    return 83402 if sid.startswith("HG") and sent.status is not None and not sent.good else None


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine; the emulator calls no other."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
