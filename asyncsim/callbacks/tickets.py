"""Tickets: callback URLs that say which update they belong to, and that we issued them.

A ticket is a path, `/{vendor}/{product}/{name}/{nonce}/{mac}`, because KORE's signature leaves
the query out (KORE docs, "Validate Webhook Signatures"). A restarted process, or another replica
with the same secrets, recognises it without a table.

All of it is letters, digits, `-` and `_`: proxies decode paths and encode them anew, each in its
own way, and servers hand on the decoded text. A SID stands as it is; any other name is `-` and the
base64url of its UTF-8. The nonce begins with eight characters that tell accounts apart: whose
ticket it is, so that another account's secrets prove nothing about it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets as system_random
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from attrs import define, field, frozen

from asyncsim.core.signatures import Mac
from asyncsim.vendors import VENDORS, Product

_LABEL = b"asyncsim callback ticket v1"
_TAG_BYTES = 6
_TAG_LENGTH = 8
_NONCE_BYTES = 12
_MAC_BYTES = 16
_PLAIN = re.compile(r"[A-Za-z0-9]+")
_NAME = re.compile(r"[A-Za-z0-9]+|-[A-Za-z0-9_-]+")
_NONCE = re.compile(r"[A-Za-z0-9_-]{24}")
_MAC = re.compile(r"[A-Za-z0-9_-]{22}")
_SEGMENTS = 5
_PRODUCTS = {product.value: product for product in Product}


@frozen
class Ticket:
    """A new ticket: the path to append to the public URL, and its nonce; neither is shown."""

    path: str = field(repr=False)
    nonce: str = field(repr=False)


@define
class ReadTicket:
    """What a genuine ticket says: whose update it was, under the name it was addressed by."""

    vendor: str
    product: Product
    name: str
    nonce: str = field(repr=False)

    @property
    def account(self) -> str:
        """The tag of the account that it was issued for."""
        return self.nonce[:_TAG_LENGTH]


NO_ACCOUNT = "-" * _TAG_LENGTH
"""The tag of tickets that belong to none in particular."""


def account_tag(ticket_secret: bytes) -> str:
    """Make the tag that tells apart tickets of clients with different credentials; no secret."""
    return _text(hmac.digest(_LABEL, b"account" + ticket_secret, hashlib.sha256)[:_TAG_BYTES])


def derive_ticket_secret(material: str) -> bytes:
    """Make a ticket secret of a credential, so that replicas and restarts agree on it.

    One-way and under a label of its own (as HKDF does, RFC 5869): who learns a ticket secret
    cannot log in with it, nor sign anything else.
    """
    key = hmac.digest(_LABEL, material.encode(), hashlib.sha256)
    return hmac.digest(key, b"mac\x01", hashlib.sha256)


def issue(secret: bytes, vendor: str, product: str, name: str, account: str = NO_ACCOUNT) -> Ticket:
    """Issue a ticket for an update of the SIM addressed as `name` (a SID or a unique name).

    `account` is the `account_tag` of whom it is issued for.
    """
    nonce = account + _text(system_random.token_bytes(_NONCE_BYTES))
    stem = f"{vendor}/{product}/{_spelled(name)}/{nonce}"
    return Ticket(f"/{stem}/{_mac(key(secret), stem)}", nonce)


def key(secret: bytes) -> Mac:
    """Make of a ticket secret what tickets are computed with."""
    return Mac(secret, "sha256")


def tail_of(path: str) -> tuple[str, ...] | None:
    """Find the five segments of a ticket at the end of a path; None when they are not one.

    They come as they were issued, also from a path that percent-encodes what it need not, or ends
    in a slash. Only the end counts: a proxy may have stripped a prefix, a mount may have added one.
    """
    if path.endswith("/") or "%" in path:
        path = unquote(path.rstrip("/"))
    tail = tuple(path.split("/")[-_SEGMENTS:])
    if len(tail) != _SEGMENTS:
        return None
    vendor, product, name, nonce, mac = tail
    known = vendor in VENDORS and product in _PRODUCTS and _NAME.fullmatch(name)
    return tail if known and _NONCE.fullmatch(nonce) and _MAC.fullmatch(mac) else None


def read(tail: Sequence[str], keys: Iterable[Mac]) -> ReadTicket | None:
    """Read the segments that `tail_of` found; None when no secret of ours made the ticket.

    Each secret is given as its `key`.
    """
    vendor, product, name, nonce, mac = tail
    stem = f"{vendor}/{product}/{name}/{nonce}"
    genuine = False
    for one in keys:
        genuine |= hmac.compare_digest(_mac(one, stem), mac)
    return ReadTicket(vendor, _PRODUCTS[product], _name(name), nonce) if genuine else None


def _spelled(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else "-" + _text(name.encode())


def _name(spelled: str) -> str:
    if spelled[0] != "-":
        return spelled
    padding = "=" * (-(len(spelled) - 1) % 4)
    return base64.urlsafe_b64decode(spelled[1:] + padding).decode()


def _mac(key: Mac, stem: str) -> str:
    return _text(key(stem.encode())[:_MAC_BYTES])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
