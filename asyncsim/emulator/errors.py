"""Error responses: codes, HTTP statuses and bodies, and the headers of every response.

Sources: the vendors' error dictionaries; captured Twilio responses for the order of fields and for
headers; KORE docs, API Responses and Authorization.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asyncsim.emulator.settings import Behaviour
from asyncsim.vendors import Product, Vendor

HTTP_STATUS: Mapping[int, int] = {
    20001: 400,  # unknown or invalid parameters
    20002: 400,  # parameter missing
    20003: 401,  # authentication failed
    20004: 405,  # method not allowed
    20006: 403,  # access denied
    20404: 404,
    20429: 429,
    20500: 500,
    20503: 503,
    11100: 400,  # invalid URL
    20415: 415,  # unsupported media type; unpublished, in the pattern of its neighbours
    21481: 400,  # invalid PageToken
    33010: 409,  # KORE docs, Wireless Sim: "you will receive a 409 Conflict response"
    33101: 400,  # invalid value, rate plan rules
    33102: 400,  # parameter missing
    33103: 400,  # paging
    33104: 400,  # no rate plan
    33105: 400,  # transition invalid
    33107: 404,  # Sim not found, for a Command
    33108: 404,  # rate plan not found
    33111: 400,  # Command too long
    33118: 400,  # too many queued Commands
    33119: 400,  # reset not allowed
    33120: 409,  # reset in progress
    33121: 400,  # invalid combination
    33122: 400,  # data metering no longer allowed
    33201: 403,  # unauthorized
    33203: 403,  # messaging not allowed
    40400: 400,  # KORE's own family, from here: bad request
    40404: 404,  # not found
    40405: 405,  # method not allowed
    40415: 415,  # the same, likewise
    83001: 400,  # registration: parameter missing
    83002: 400,  # not registrable
    83003: 400,  # already yours
    83005: 404,  # Super SIM not found, for a Command
    83006: 404,  # fleet not found
    83007: 400,  # activation without fleet
    83008: 400,  # fleet cannot be removed
    83009: 409,  # fleet change while scheduled
    83010: 400,  # status not reachable
    83011: 409,  # unique name taken
    83400: 400,  # IP Command, unspecified
    83600: 400,  # usage: invalid parameter
    83601: 400,  # usage: not aligned to a day
    83602: 400,  # usage: not aligned to an hour
    83603: 400,  # usage: more than 31 days grouped by SIM
    83604: 400,  # usage: too long for the granularity
    83605: 400,  # usage: begins too long ago
}
"""Defaults; only 401, 404, 409 for 33010, and 429 are documented or captured, the rest are guesses.
`Behaviour.http_status` overrides them."""

INVALID: Mapping[Product, int] = {Product.WIRELESS: 33101, Product.SUPERSIM: 20001}
"""Code of a parameter with an impossible value."""

MISSING: Mapping[Product, int] = {Product.WIRELESS: 33102}
"""Code of a missing parameter, else 20002."""


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


class VendorError(Exception):
    """A rejected request: the vendor's error code and message."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.headers = headers or {}
        self._status = status

    def http_status(self, behaviour: Behaviour) -> int:
        """The status of the error response."""
        return behaviour.http_status.get(self.code) or self._status or HTTP_STATUS[self.code]


def method_not_allowed(allowed: Iterable[str], code: int = 20004) -> VendorError:
    """A known path with a verb that it does not take (RFC 9110, 15.5.6: name those it takes)."""
    return VendorError(code, "Method not allowed", headers={"Allow": allow_header(allowed)})


def allow_header(methods: Iterable[str]) -> str:
    """The value of an `Allow` header."""
    return ", ".join([*methods, "OPTIONS"])


def not_found(path: str) -> VendorError:
    """Nothing at this path; the vendors' message leaves the version out."""
    return VendorError(20404, f"The requested resource {path.removeprefix('/v1')} was not found")


def invalid_parameter(product: Product, message: str, *, code: int | None = None) -> VendorError:
    """A parameter with an impossible value."""
    return VendorError(code or INVALID.get(product, 20001), message)


def invalid_page_token(product: Product) -> VendorError:
    """A page token that cannot be read; 33103 is Programmable Wireless's own code."""
    code = 33103 if product is Product.WIRELESS else 21481
    return VendorError(code, "The PageToken is invalid")


def error_body(vendor: Vendor, api: str, status: int, code: int, message: str) -> dict[str, Any]:
    """The body of an error response."""
    # KORE's webhooks API alone spells this name otherwise (kore_webhook_v1).
    link = "info" if api == "webhooks" else "more_info"
    more_info = _MORE_INFO[vendor.name].format(code)
    return {"code": code, "message": message, link: more_info, "status": status}


def response_headers(
    vendor: Vendor, product: str, *, request_id: str, seconds: float, in_flight: int
) -> dict[str, str]:
    """Headers of every response of a product's API."""
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
