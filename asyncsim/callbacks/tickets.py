"""Tickets: callback URLs that say which update they belong to, and that we issued them.

A ticket is a path, `/{vendor}/{product}/{name}/{nonce}/{mac}`, because KORE's signature leaves
the query out (KORE docs, "Validate Webhook Signatures"). A restarted process, or another replica
with the same secrets, recognises it without a table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets as system_random
from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote

from attrs import define, field, frozen

from asyncsim.core.signatures import Mac
from asyncsim.vendors import VENDORS, Product

_LABEL = b"asyncsim callback ticket v1"
_NONCE_BYTES = 12
_MAC_BYTES = 16
_NONCE = re.compile(r"[A-Za-z0-9_-]{16}")
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


def derive_ticket_secret(material: str) -> bytes:
    """Make a ticket secret of a credential, so that replicas and restarts agree on it.

    One-way and under a label of its own (as HKDF does, RFC 5869): who learns a ticket secret
    cannot log in with it, nor sign anything else.
    """
    key = hmac.digest(_LABEL, material.encode(), hashlib.sha256)
    return hmac.digest(key, b"mac\x01", hashlib.sha256)


def issue(secret: bytes, vendor: str, product: str, name: str) -> Ticket:
    """Issue a ticket for an update of the SIM addressed as `name` (a SID or a unique name)."""
    nonce = _text(system_random.token_bytes(_NONCE_BYTES))
    stem = f"/{vendor}/{product}/{quote(name, safe='')}/{nonce}"
    return Ticket(f"{stem}/{_mac(key(secret), vendor, product, name, nonce)}", nonce)


def key(secret: bytes) -> Mac:
    """Make of a ticket secret what tickets are computed with."""
    return Mac(secret, "sha256")


def tail_of(path: str) -> tuple[str, ...] | None:
    """Find the five segments of a ticket at the end of a raw path; None when they are not one.

    Only the end counts: a proxy may have stripped a prefix, a mount may have added one.
    """
    tail = tuple(path.split("/")[-_SEGMENTS:])
    if len(tail) != _SEGMENTS or not path.isascii():
        return None
    vendor, product, name, nonce, mac = tail
    known = vendor in VENDORS and product in _PRODUCTS and bool(name)
    return tail if known and _NONCE.fullmatch(nonce) and _MAC.fullmatch(mac) else None


def read(tail: Sequence[str], keys: Iterable[Mac]) -> ReadTicket | None:
    """Read the segments that `tail_of` found; None when no secret of ours made the ticket.

    Each secret is given as its `key`.
    """
    vendor, product, encoded, nonce, mac = tail
    try:
        name = unquote(encoded, errors="strict") if "%" in encoded else encoded
    except UnicodeDecodeError:
        return None
    genuine = False
    for one in keys:
        genuine |= hmac.compare_digest(_mac(one, vendor, product, name, nonce), mac)
    return ReadTicket(vendor, _PRODUCTS[product], name, nonce) if genuine else None


def _mac(key: Mac, vendor: str, product: str, name: str, nonce: str) -> str:
    # The name goes last and decoded: alone of the four it may hold any character, and a proxy
    # that spells its percent-encoding differently must not spoil the ticket.
    text = "/".join((vendor, product, nonce, name))
    return _text(key(text.encode())[:_MAC_BYTES])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
