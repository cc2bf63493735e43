"""Checks of text before it is used: stray characters, URLs, SIDs, ICCIDs."""

from __future__ import annotations

import re
from unicodedata import category
from urllib.parse import SplitResult, urlsplit

# Of Unicode's categories: control characters, half surrogate pairs, and breaks of lines. They slip
# into text that is copied or read from a file, and are never intended.
_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})

# Twilio docs, "What is a String Identifier (SID)?": two capitals and 32 hex digits.
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
# Exports and scanners capitalise SIDs, or put them in lower case.
_SID_ANY_CASE = re.compile(r"[A-Za-z]{2}[0-9a-fA-F]{32}")
# ITU-T E.118 allows 19 digits; cards with 18, 20 and 22 are sold, so no narrower rule holds.
_ICCID = re.compile(r"[0-9]{18,22}")


def invalid_characters(text: str) -> str | None:
    """Describe a character that cannot be in a SID, name, secret or URL; None if there is none.

    Spaces inside are allowed: a unique name may contain some.
    """
    if text.isascii() and text.isalnum():
        return None
    if any(category(one) in _NEVER for one in text.strip()):
        return "a control character in it"
    # Zero-width characters count where they can have no meaning: at the ends.
    if text and any(one.isspace() or category(one) == "Cf" for one in (text[0], text[-1])):
        return "white space around it"
    return None


def usable_url(url: object) -> SplitResult | None:
    """Split an http(s) URL that a request could be sent to; None for anything else.

    The caller decides what may follow the host, and whether credentials may precede it.
    """
    # Checked first, because `urlsplit` silently drops line breaks and tabs.
    if not isinstance(url, str) or invalid_characters(url) or " " in url:
        return None
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return None
    return parts if reachable else None


def looks_like_sid(text: str, *, any_case: bool = False) -> bool:
    """Tell whether a text has the form of a SID; `any_case`: also with its prefix in lower case."""
    return (_SID_ANY_CASE if any_case else _SID).fullmatch(text) is not None


def looks_like_iccid(text: str) -> bool:
    """Tell whether a text has the form of an ICCID; no vendor takes one in place of a SID."""
    return _ICCID.fullmatch(text) is not None
