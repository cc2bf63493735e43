"""What the updates of both products' SIMs have in common."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from asyncsim.emulator.letters import Callback
from asyncsim.emulator.refusals import invalid
from asyncsim.emulator.views.desk import Values
from asyncsim.vendors import Product


def callback_of(product: Product, values: Values) -> Callback | None:
    """Where the update asks to be called back."""
    url = values.get("callback_url")
    if not url:
        return None
    if not _is_web_address(url):
        raise invalid(product, "CallbackUrl is not a URL")
    return Callback(url, values.get("callback_method") or "POST")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket or a port that cannot be
        return False


def plain_changes(record: Any, values: Values, names: frozenset[str]) -> dict[str, Any]:
    """Fields that are simply set; the empty string clears."""
    given = {name: values[name] or None for name in names if name in values}
    return {name: value for name, value in given.items() if getattr(record, name) != value}
