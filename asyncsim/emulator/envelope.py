"""Error bodies and response headers, as each vendor words them.

Sources: captured Twilio answers for field order and headers; KORE docs, API Responses and
Authorization.
"""

from __future__ import annotations

from typing import Any

from asyncsim.vendors import Vendor

_MORE_INFO = {
    "twilio": "https://www.twilio.com/docs/errors/{}",
    "kore": "https://docs.korewireless.com/errors/{}",
}

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, "
        "If-Unmodified-Since, Idempotency-Key"
    ),
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "ETag",
}


def error_body(vendor: Vendor, room: str, status: int, code: int, message: str) -> dict[str, Any]:
    """The envelope of a refusal; the room of KORE's webhook secrets spells one name otherwise."""
    link = "info" if room == "webhooks" else "more_info"
    more_info = _MORE_INFO[vendor.name].format(code)
    return {"code": code, "message": message, link: more_info, "status": status}


def response_headers(
    vendor: Vendor, product: str, *, request_id: str, seconds: float, in_flight: int
) -> dict[str, str]:
    """Headers of every answer of a product's API."""
    if vendor.name == "kore":
        return dict(_CORS)  # KORE documents no others
    return {
        **_CORS,
        "Twilio-Request-Id": request_id,
        "Twilio-Request-Duration": f"{seconds:.3f}",
        "Twilio-Concurrent-Requests": str(in_flight),
        "X-Home-Region": "us1",
        "X-API-Domain": f"{product}.twilio.com",
        "X-Powered-By": "AT-5000",
        "X-Shenanigans": "none",
    }
