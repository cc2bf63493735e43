"""Forms and queries to keywords, and texts to what they must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from asyncsim.emulator.errors import MISSING, Refusal, invalid
from asyncsim.kind import Kind
from asyncsim.vendors import Product, Vendor
from asyncsim.wire.forms import params_by_wire, pascal

_INVALID_URL = 11100
"""Twilio's error dictionary: "Invalid URL format"."""

Pairs = Mapping[str, Sequence[str]]
"""Keys of a form or a query, and all their values."""


class Values(dict[str, str]):
    """Keywords and their values; the empty string clears. Of a repeated key the last counts."""

    def __init__(self) -> None:
        super().__init__()
        self._every: dict[str, Sequence[str]] = {}

    def take(self, keyword: str, given: Sequence[str]) -> None:
        """Add a keyword with all its values."""
        self[keyword] = given[-1]
        self._every[keyword] = given

    def every(self, keyword: str) -> Sequence[str]:
        """All values of a keyword that may be repeated."""
        return self._every.get(keyword, ())


def read_pairs(
    vendor: Vendor,
    kind: Kind[Any],
    keywords: Any,
    pairs: Pairs,
    *,
    strict: bool,
    missing: int | None = None,
    invalid_code: int | None = None,
) -> Values:
    """Form or query to keywords; keys are case-sensitive. `strict` refuses unknown ones."""
    known = {
        wire: param
        for wire, param in (params_by_wire(keywords) if keywords is not None else {}).items()
        if param.vendor in (None, vendor.name)
    }
    values = Values()
    for key, given in pairs.items():
        if key in known:
            values.take(known[key].keyword, given)
        elif strict:
            raise Refusal(20001, f"Unknown parameter '{key}'")
    for param in known.values():
        value = values.get(param.keyword)
        if param.required and not value:
            code = missing or MISSING.get(kind.product, 20002)
            raise Refusal(code, f"Missing required parameter {param.wire}")
        # A status has its own rules: some values exist but cannot be asked for.
        if value is None or param.choices is None or param.keyword == "status":
            continue
        if value not in param.choices:
            raise invalid(kind.product, f"{param.wire} cannot be '{value}'", code=invalid_code)
    return values


def whole(product: Product, values: Values, keyword: str, low: int, high: int) -> int | None:
    """A number in a range; None where it is not given."""
    text = values.get(keyword)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not low <= int(text) <= high:
        raise invalid(product, f"{pascal(keyword)} must be a whole number from {low} to {high}")
    return int(text)


def flag(product: Product, values: Values, keyword: str) -> bool | None:
    """`true` or `false`; None where it is not given."""
    text = values.get(keyword)
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        raise invalid(product, f"{pascal(keyword)} must be true or false")
    return text.lower() == "true"


def moment(product: Product, text: str, what: str, *, code: int | None = None) -> datetime:
    """A date-time; a date alone is its beginning, in UTC."""
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
        raise invalid(product, f"{what} must be an ISO 8601 date-time", code=code)
    return when


def web_address(values: Values, keyword: str) -> str | None:
    """A URL to be called; None where it is absent or cleared."""
    url = values.get(keyword)
    if url and not _is_web_address(url):
        raise Refusal(_INVALID_URL, f"{pascal(keyword)} is not a valid URL")
    return url or None


def _is_web_address(url: str) -> bool:
    # What urlsplit lets through but no request line can carry: blanks, control characters, and
    # whatever is not ASCII (RFC 3986, section 2).
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that cannot be
        return False
