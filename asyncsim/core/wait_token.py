"""Wait tokens: signed texts from which another process can finish the wait for one change.

A token is `w1-` and the base64url of the account's tag, a MessagePack array and a MAC. `1` is the
version of the format: keywords are stored by their place in `_keywords`, which may only grow at its
end.

It holds no secret. URLs, which may hold a password, are stored as a keyed digest: enough to tell
whether a SIM has got the value. So are the longest other values where a token would get too long.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from attrs import field, frozen

from asyncsim.core.goal import Goal
from asyncsim.core.signatures import Mac
from asyncsim.core.unproven import Before
from asyncsim.kind import Kind
from asyncsim.wait_errors import TokenError

MAX_LENGTH = 300
"""Characters, all of them ASCII, of the longest token."""
_TOKEN = re.compile(r"w([0-9]{1,3})-([A-Za-z0-9_-]{1,400})")
_VERSION = 1
_ACCOUNT_BYTES = 6
_MAC_BYTES = 16
_DIGEST_BYTES = 6  # keyed, so that it can only be guessed; ten of them must fit into a token
# Labels, so that no MAC of one purpose is valid for another: tickets are signed by the same keys.
_TOKEN_LABEL = b"asyncsim wait token v1\0"
_VALUE_LABEL = b"asyncsim wait token v1 value\0"


class HiddenValue:
    """A value that a token holds as a digest: it equals the text that it was made from."""

    def __init__(self, digest: bytes, mac: Mac | None) -> None:
        self._digest = digest
        self._mac = mac

    def __eq__(self, other: object) -> bool:
        """Compare with the value of a record."""
        if not isinstance(other, str) or self._mac is None:
            return False
        return hmac.compare_digest(_digest(other, self._mac), self._digest)

    __hash__ = None  # type: ignore[assignment]  # its hash would differ from that of an equal text

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are pickled: without the key.
        return HiddenValue, (self._digest, None)


@frozen(kw_only=True)
class WaitToken:
    """What a token says: which change of which SIM, since when, until when."""

    account: str
    """The tag of the account (`callbacks.tickets.account_tag`)."""
    sid: str
    nonce: str | None = field(repr=False)
    """The nonce of the ticket in its callback URL."""
    prepared_at: float
    """Seconds since 1970, by the clock of the machine that prepared the update."""
    deadline: float
    """The same."""
    before: Before
    goal: Goal


def sign(token: WaitToken, secret: bytes) -> str:
    """Write a token; `ValueError` if it would be too long."""
    mac = Mac(secret, "sha256")
    keywords = _keywords(token.goal.kind)
    values = {
        keywords.index(name): _hide(value, mac) if name.endswith("_url") else value
        for name, value in token.goal.requested.items()
        if name in keywords
    }
    while len(text := _write(token, values, mac)) > MAX_LENGTH:
        texts = {
            place: value
            for place, value in values.items()
            if isinstance(value, str) and not keywords[place].endswith("status")
        }
        place = max(texts, key=lambda one: len(texts[one].encode()), default=None)
        # A digest and its length take seven bytes, a text and its length one more than the text.
        if place is None or len(texts[place].encode()) <= _DIGEST_BYTES + 1:
            raise ValueError(
                f"the token of this change would have {len(text)} characters, and {MAX_LENGTH} are"
                " allowed: change fewer things at once, or wait for fewer statuses"
            )
        values[place] = _hide(texts[place], mac)
    return text


def _write(token: WaitToken, values: Mapping[int, Any], mac: Mac) -> str:
    packed = msgspec.msgpack.encode(
        (
            _pack_sid(token.sid),
            None if token.nonce is None else _unbase64(token.nonce),
            round(token.deadline * 1000),
            round((token.deadline - token.prepared_at) * 1000),
            token.before.status,
            token.before.date_updated,
            values,
            None if token.goal.until is None else sorted(token.goal.until),
        )
    )
    raw = _unbase64(token.account) + packed
    return f"w{_VERSION}-{_base64(raw + mac(_TOKEN_LABEL + raw)[:_MAC_BYTES])}"


def read(
    text: str, secrets: Iterable[bytes], account: str, kinds: Mapping[str, Kind[Any]]
) -> WaitToken:
    """Verify and read a token; `TokenError` says why it cannot be used, without quoting it.

    `kinds`: SID prefix -> the kind that has it. All secrets are tried, so that timing does not
    reveal which one fits.
    """
    found = _TOKEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise TokenError("this is not the token of a wait, or it was cut off")
    if int(found[1]) != _VERSION:
        raise TokenError(
            f"the token has version {int(found[1])} of its format, and this asyncsim reads version"
            f" {_VERSION}: use the version of asyncsim that made it"
        )
    try:
        raw = _unbase64(found[2])
    except ValueError:  # no such number of base64 characters
        raise TokenError("the token was changed, or cut off") from None
    raw, code = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    # Not verified yet, but a better explanation than a wrong signature.
    if _base64(raw[:_ACCOUNT_BYTES]) != account:
        raise TokenError("the token belongs to another account, vendor, or API client of KORE")
    signer = None
    for mac in (Mac(secret, "sha256") for secret in secrets):
        if hmac.compare_digest(mac(_TOKEN_LABEL + raw)[:_MAC_BYTES], code):
            signer = mac
    if signer is None or _base64(raw + code) != found[2]:
        raise TokenError(
            "the token was changed, or signed with a secret that this client does not have: pass"
            " all secrets that are in use as ticket_secrets=[...], the new one first"
        )
    try:
        return _read(raw, signer, kinds)
    except LookupError:
        raise TokenError(
            "the token names a keyword or a kind that this asyncsim does not know: use the version"
            " of asyncsim that made it"
        ) from None


def _read(raw: bytes, mac: Mac, kinds: Mapping[str, Kind[Any]]) -> WaitToken:
    contents: tuple[Any, ...] = msgspec.msgpack.decode(raw[_ACCOUNT_BYTES:], type=tuple)
    packed, nonce, deadline, duration, status, date, values, until = contents
    sid = packed if isinstance(packed, str) else packed[:2].decode() + packed[2:].hex()
    kind = kinds[sid[:2]]
    keywords = _keywords(kind)
    requested = {
        keywords[place]: HiddenValue(value, mac) if isinstance(value, bytes) else value
        for place, value in values.items()
    }
    return WaitToken(
        account=_base64(raw[:_ACCOUNT_BYTES]),
        sid=sid,
        nonce=None if nonce is None else _base64(nonce),
        prepared_at=(deadline - duration) / 1000,
        deadline=deadline / 1000,
        before=Before(status, date),
        goal=Goal(kind, requested, None if until is None else frozenset(until)),
    )


def _keywords(kind: Kind[Any]) -> tuple[str, ...]:
    """Keywords that tell whether a change was carried out; new ones belong at the end."""
    return ("reset_status", *kind.compared)


def _hide(value: Any, mac: Mac) -> Any:
    return _digest(value, mac) if isinstance(value, str) and value else value


def _digest(text: str, mac: Mac) -> bytes:
    return mac(_VALUE_LABEL + text.encode("utf-8", "surrogatepass"))[:_DIGEST_BYTES]


def _pack_sid(sid: str) -> bytes | str:
    """Halve it; one with capital digits stays a text, because SIDs are compared as texts."""
    packed = sid[:2].encode() + bytes.fromhex(sid[2:])
    return packed if packed[2:].hex() == sid[2:] else sid


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
