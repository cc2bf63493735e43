"""Signatures of the two vendors' callbacks: computed and verified.

Sources: Twilio docs, "Secure webhooks"; KORE docs, "Validate Webhook Signatures". Verifying
compares with all secrets, always and in constant time, so that the time of the
response reveals neither a digit nor which secret is in use.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit


class Mac:
    """An HMAC whose key is set up once: for short texts the set-up is half of the work."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes, algorithm: str) -> None:
        self._keyed = hmac.new(key, digestmod=algorithm)

    def __call__(self, message: bytes) -> bytes:
        """Compute the digest."""
        one = self._keyed.copy()
        one.update(message)
        return one.digest()


_DEFAULT_PORTS = {"https": "443", "http": "80"}
_NO_PARAMS: Mapping[str, list[str]] = {}


def matches_any(expected: Iterable[str], given: str) -> bool:
    """Tell whether `given` is one of `expected`, in constant time."""
    found = False
    sent = given.encode("utf-8", "surrogatepass")
    for one in expected:
        found |= hmac.compare_digest(one.encode("utf-8", "surrogatepass"), sent)
    return found


def twilio_signature(token: str, url: str, params: Mapping[str, list[str]] = _NO_PARAMS) -> str:
    """Compute `X-Twilio-Signature` for a full URL and the parameters of a form body.

    `url` carries its query as sent and no fragment; `params` is empty for GET and for JSON.
    """
    return _signature(twilio_key(token), _signed_text(url, params))


def twilio_key(token: str) -> Mac:
    """Set up the key with which an auth token signs."""
    return Mac(token.encode(), "sha1")


def _signature(key: Mac, text: bytes) -> str:
    return base64.b64encode(key(text)).decode()


def _signed_text(url: str, params: Mapping[str, list[str]]) -> bytes:
    # Names in ordinal order, each distinct value of a name in sorted order, no separators
    # (twilio-python, `RequestValidator.compute_signature`).
    parts = [url]
    for name in sorted(params):
        values = params[name]
        parts += (name, values[0] if len(values) == 1 else name.join(sorted(set(values))))
    return "".join(parts).encode("utf-8", "surrogatepass")


def verify_twilio(
    keys: Sequence[Mac],
    url: str,
    params: Mapping[str, list[str]] | None,
    given: str,
    *,
    body: bytes = b"",
) -> bool:
    """Tell whether `given` was signed with one of the auth tokens, given as their `twilio_key`.

    `params` is None for a body that is not a form: then the URL must carry the body's hash as
    `bodySHA256`, or an empty `body` is the only one the signature vouches for.
    """
    # For each spelling all tokens are tried, so that timing does not reveal which one is in use.
    # That the other spellings are tried only if needed reveals nothing but the spelling of the URL.
    form = params or _NO_PARAMS
    signed = _is_signed(keys, url, form, given) or any(
        _is_signed(keys, one, form, given) for one in _other_spellings(url)
    )
    if not signed or params is not None:
        return signed
    # The signature covers a JSON body only through its hash in the query.
    hashes = parse_qs(urlsplit(url).query).get("bodySHA256")
    if hashes is None:
        return not body
    return matches_any([hashlib.sha256(body).hexdigest()], hashes[0])


def _is_signed(keys: Sequence[Mac], url: str, form: Mapping[str, list[str]], given: str) -> bool:
    text = _signed_text(url, form)
    return matches_any([_signature(key, text) for key in keys], given)


def _other_spellings(url: str) -> list[str]:
    """Yield the other spellings of a URL that a vendor may have signed."""
    # Twilio's sender is inconsistent about the port, so its own validators accept the URL with and
    # without it; and it leaves out user and password, which go into a header (Twilio docs, "Secure
    # webhooks"). Scheme and host are case-insensitive, and URL parsers often lower them.
    scheme, separator, rest = url.partition("://")
    end = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    login, sign, host = authority.rpartition("@")
    spelled = (
        f"{one_scheme}{separator}{one_login}{one_host}{tail}"
        for one_login in (login + sign, "")
        for one_scheme in (scheme, scheme.lower())
        for one_place in (host, host.lower())
        for one_host in (one_place, *_other_port(scheme, one_place))
    )
    return [one for one in dict.fromkeys(spelled) if one != url]


def _other_port(scheme: str, place: str) -> tuple[str, ...]:
    """Spell a host with its port left out, or with its scheme's default port put in."""
    host, colon, port = place.rpartition(":")
    # Colons also occur in `[::1]`: a port is digits at the very end.
    if colon and port.isdigit():
        return (host,)
    default = _DEFAULT_PORTS.get(scheme.lower())
    return (f"{place}:{default}",) if default else ()


def kore_signature(secret: str, method: str, url: str, body: bytes) -> str:
    """Compute `kore-signature`: SHA-256 over secret, method, URL and body, lower-case hex.

    The URL counts without query and fragment. This is a plain digest, not an HMAC.
    """
    bare = url.partition("#")[0].partition("?")[0]
    return hashlib.sha256(f"{secret}{method.upper()}{bare}".encode() + body).hexdigest()


def verify_kore(secrets: Sequence[str], method: str, url: str, body: bytes, given: str) -> bool:
    """Tell whether `given` was signed with one of the webhook secrets.

    KORE sends an empty `given` while an account has no secret; it verifies nothing.
    """
    bodies = _compact_spellings(body)

    def is_signed(url: str) -> bool:
        expected = (kore_signature(secret, method, url, b) for secret in secrets for b in bodies)
        return matches_any(expected, given)

    return is_signed(url) or any(is_signed(one) for one in _other_spellings(url))


def _compact_spellings(body: bytes) -> tuple[bytes, ...]:
    # KORE's published JSON vector hashes the compact form, though the example body has blanks.
    if not body.startswith((b"{", b"[")):
        return (body,)
    try:
        compact = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False)
        return body, compact.encode()
    except (ValueError, RecursionError):
        return (body,)
