"""Tickets: signed paths of callback URLs that name the update a callback belongs to.

A ticket is a path, `/{vendor}/{product}/{name}/{nonce}/{mac}`, because KORE's signature leaves
the query out (KORE docs, "Validate Webhook Signatures"). A restarted process, or another replica
with the same secrets, recognises it without a table.

It consists of letters, digits, `-` and `_`, because proxies decode and re-encode paths, each
in its own way, and servers pass on the decoded text. A SID stands as it is; any other name is `-`
and the base64url of its UTF-8. The nonce begins with eight characters that tell accounts apart, so
that one account's secrets prove nothing about another account's ticket.
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
from asyncsim.errors import SignatureError
from asyncsim.redaction import RedactedBytes
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
class IssuedTicket:
    """A new ticket: the path to append to the public URL, and its nonce; neither is shown."""

    path: str = field(repr=False)
    nonce: str = field(repr=False)


@define
class VerifiedTicket:
    """The contents of a valid ticket: account and name of the update that it belongs to."""

    vendor: str
    product: Product
    name: str
    nonce: str = field(repr=False)
    account: str
    """The tag of the account that the ticket was issued for."""


NO_ACCOUNT = "-" * _TAG_LENGTH
"""The tag of tickets that belong to no account in particular."""


def account_tag(vendor: str, account: str) -> str:
    """Derive the tag that tells accounts apart in tickets: the same whatever the credentials are.

    `account` is the account SID or the client id, which are no secrets.
    """
    name = f"account {vendor} {account}".encode()
    return _base64url(hmac.digest(_LABEL, name, hashlib.sha256)[:_TAG_BYTES])


def derive_ticket_secret(credential: str) -> bytes:
    """Derive a ticket secret from a credential, so that replicas and restarts agree on it.

    One-way, with its own label (as in HKDF, RFC 5869): an attacker who learns a ticket secret
    can neither log in with it nor sign anything else.
    """
    key = hmac.digest(_LABEL, credential.encode(), hashlib.sha256)
    return RedactedBytes(hmac.digest(key, b"mac\x01", hashlib.sha256))


def scope_of(secret: bytes) -> str:
    """Derive what tells the tickets of one secret from those of another; it reveals nothing."""
    return _base64url(hmac.digest(secret, b"asyncsim scope v1", hashlib.sha256)[:_TAG_BYTES])


def key(secret: bytes) -> Mac:
    """Set up the HMAC of a ticket secret; tickets are issued and verified with it."""
    return Mac(secret, "sha256")


def issue_ticket(
    secret: bytes, vendor: str, product: str, name: str, account: str = NO_ACCOUNT
) -> IssuedTicket:
    """Issue a ticket for an update of the SIM addressed as `name` (a SID or a unique name).

    `account` is the `account_tag` of the account that it is issued for.
    """
    nonce = account + _base64url(system_random.token_bytes(_NONCE_BYTES))
    segment = name if _PLAIN.fullmatch(name) else "-" + _base64url(name.encode())
    stem = f"{vendor}/{product}/{segment}/{nonce}"
    return IssuedTicket(f"/{stem}/{_mac(key(secret), stem)}", nonce)


def find_ticket(path: str) -> tuple[str, ...] | None:
    """Find the five segments of a ticket at the end of a path; None when they are no ticket.

    They are returned as they were issued, also from a path that percent-encodes what it need not,
    or ends in a slash. Only the end counts: a proxy may have stripped a prefix, a mount may have
    added one.
    """
    if path.endswith("/") or "%" in path:
        path = unquote(path.rstrip("/"))
    segments = tuple(path.split("/")[-_SEGMENTS:])
    if len(segments) != _SEGMENTS:
        return None
    vendor, product, name, nonce, mac = segments
    known = vendor in VENDORS and product in _PRODUCTS and _NAME.fullmatch(name)
    return segments if known and _NONCE.fullmatch(nonce) and _MAC.fullmatch(mac) else None


def verify_ticket(segments: Sequence[str], keys: Iterable[Mac]) -> VerifiedTicket:
    """Verify the segments from `find_ticket`; SignatureError if none of our secrets signed them.

    `keys` are the `key` of each secret. All are tried, so that timing does not reveal which one
    fits.
    """
    vendor, product, name, nonce, mac = segments
    stem = f"{vendor}/{product}/{name}/{nonce}"
    valid = False
    for one in keys:
        valid |= hmac.compare_digest(_mac(one, stem), mac)
    if not valid:
        raise SignatureError("the ticket is not one of ours")
    if name[0] == "-":
        padding = "=" * (-(len(name) - 1) % 4)
        name = base64.urlsafe_b64decode(name[1:] + padding).decode()
    return VerifiedTicket(vendor, _PRODUCTS[product], name, nonce, nonce[:_TAG_LENGTH])


def _mac(key: Mac, stem: str) -> str:
    return _base64url(key(stem.encode())[:_MAC_BYTES])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
