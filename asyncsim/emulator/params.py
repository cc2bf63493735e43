"""Parameters of forms and queries: keywords, and the checks of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from asyncsim.emulator.errors import VendorError, invalid_parameter
from asyncsim.vendors import Product
from asyncsim.wire.forms import pascal

_INVALID_URL = 11100
"""Twilio's error dictionary: "Invalid URL format"."""

Pairs = Mapping[str, Sequence[str]]
"""Keys of a form or a query, and all their values."""


class Params(dict[str, str]):
    """Keywords and their values; the empty string clears. Of a repeated key the last counts."""

    def __init__(self) -> None:
        super().__init__()
        self._all: dict[str, Sequence[str]] = {}

    def set_all(self, keyword: str, values: Sequence[str]) -> None:
        """Set a keyword to all its values."""
        self[keyword] = values[-1]
        self._all[keyword] = values

    def get_all(self, keyword: str) -> Sequence[str]:
        """All values of a keyword that may be repeated."""
        return self._all.get(keyword, ())


def integer(product: Product, params: Params, keyword: str, low: int, high: int) -> int | None:
    """A whole number in a range; None where it is not given."""
    text = params.get(keyword)
    if text is None:
        return None
    # int() itself fails at some thousands of digits.
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not low <= int(text) <= high:
        message = f"{pascal(keyword)} must be a whole number from {low} to {high}"
        raise invalid_parameter(product, message)
    return int(text)


def boolean(product: Product, params: Params, keyword: str) -> bool | None:
    """`true` or `false`; None where it is not given."""
    text = params.get(keyword)
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        raise invalid_parameter(product, f"{pascal(keyword)} must be true or false")
    return text.lower() == "true"


def date_time(product: Product, text: str, name: str, *, code: int | None = None) -> datetime:
    """An ISO 8601 date-time; a date alone is its beginning, in UTC."""
    try:
        # As strict as the documents, where the client's reading is lenient.
        when = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
        if when.tzinfo is None:
            raise ValueError
        when = when.astimezone(UTC)
    except (ValueError, OverflowError):
        when = None
    # There were no SIMs before 1970, and months must be added without leaving the calendar.
    if when is None or not 1970 <= when.year < 9000:
        raise invalid_parameter(product, f"{name} must be an ISO 8601 date-time", code=code)
    return when


def callback_url(params: Params, keyword: str) -> str | None:
    """A URL that the vendor is to call; None where it is absent or cleared."""
    url = params.get(keyword)
    if not url:
        return None
    # What urlsplit accepts but no request line can carry: blanks, control characters, and
    # whatever is not ASCII (RFC 3986, section 2).
    usable = url.isascii() and not any(char <= " " or char == "\x7f" for char in url)
    try:
        parts = urlsplit(url)
        usable = usable and parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:  # an impossible bracket or port
        usable = False
    if not usable:
        raise VendorError(_INVALID_URL, f"{pascal(keyword)} is not a valid URL")
    return url
