"""Signatures of callbacks, written from the vendors' documents and independently of the client's.

Sources: Twilio docs, Secure webhooks; KORE docs, Validate Webhook Signatures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def twilio(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """`X-Twilio-Signature`: HMAC-SHA1 over the URL and, of a POST, the sorted distinct pairs."""
    pairs = sorted(set(params))
    text = url.partition("#")[0] + "".join(name + value for name, value in pairs)
    mac = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def kore(secret: str | None, method: str, url: str, body: str = "") -> str:
    """`kore-signature`: a plain SHA-256, not an HMAC, over the URL without query and fragment.

    An account that has no secret gets an empty header.
    """
    if secret is None:
        return ""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return hashlib.sha256((secret + method + bare + body).encode()).hexdigest()
