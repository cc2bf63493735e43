"""Error envelopes of both vendors and of the gateways in front of them.

Sources: Twilio docs, Twilio API responses; KORE docs, API Responses and Authorization.

========================  =====================================================================
Twilio, KORE              ``{"code", "message", "more_info", "status"}``; KORE also ``info``
KORE gateway, 401/403     ``{"message", "error"}``
KORE token endpoint       ``{"error", "error_description"}`` or ``{"code", "message"}``
RFC 9457                  ``{"title", "detail", "code", ...}``
anything else             text or HTML, shown shortened
========================  =====================================================================
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from asyncsim.wire import json

_MAX_TEXT = 300  # characters kept
_MAX_CODE = 10**9  # their codes have five digits


@frozen
class Problem:
    """The contents of an error body."""

    code: int | None
    message: str
    more_info: str | None


def decode_problem(body: bytes) -> Problem:
    """Read any error body; never raises."""
    try:
        value = json.read(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        text = " ".join(body[: 4 * _MAX_TEXT].decode("utf-8", "replace").split())
        return Problem(None, text[:_MAX_TEXT], None)
    message = _first_text(value, "message", "error_description", "detail", "title", "error") or ""
    return Problem(_code(value.get("code")), message, _first_text(value, "more_info", "info"))


def _code(value: Any) -> int | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        code = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return code if abs(code) < _MAX_CODE else None


def _first_text(value: dict[str, Any], *names: str) -> str | None:
    texts = (value.get(name) for name in names)
    return next((text[:_MAX_TEXT] for text in texts if isinstance(text, str) and text), None)
