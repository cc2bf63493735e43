"""Fixtures: default fields, the networks, and identifiers that follow from the seed.

Sources: both supersim_v1 documents (create Fleet), twilio_wireless_v1 (create RatePlan).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from asyncsim.models.supersim.networks import Identifier

FLEET_DEFAULTS: Mapping[str, Any] = {
    "data_enabled": True,
    "data_limit": 1000,
    "data_metering": "payg",
    "sms_commands_enabled": True,
    "sms_commands_method": "POST",
    "ip_commands_method": "POST",
}

RATE_PLAN_DEFAULTS: Mapping[str, Any] = {
    "data_enabled": True,
    "data_limit": 1000,
    "data_metering": "payg",
    "messaging_enabled": True,
    "voice_enabled": False,
    "national_roaming_enabled": False,
    "national_roaming_data_limit": 1000,
    "international_roaming": (),
    "international_roaming_data_limit": 1000,
    "data_limit_strategy": "block",
    # KORE's schema types both as plain strings, never null; no request can set them.
    "usage_notification_url": "",
    "usage_notification_method": "POST",
}

SETTINGS_PACKAGE = {
    "name": "base-settings",
    "version": "1.0.0",
    "more_info": "https://twilio.com/docs/iot/supersim/settings-packages/base-settings",
}
"""As in the documents' example."""

# Mobile country and network codes are those of ITU-T E.212; the first is the documents' example.
_OPERATORS = (
    ("AT&T", "US", (("310", "410"),)),
    ("T-Mobile", "US", (("310", "260"), ("310", "160"))),
    ("Telekom Deutschland", "DE", (("262", "01"),)),
    ("Vodafone", "DE", (("262", "02"),)),
    ("Orange", "FR", (("208", "01"),)),
    ("SFR", "FR", (("208", "10"),)),
    ("Vodafone", "GB", (("234", "15"),)),
    ("Telstra", "AU", (("505", "01"),)),
)


def network_fields() -> Iterator[dict[str, Any]]:
    """The fields of every Network, without its SID."""
    for name, country, codes in _OPERATORS:
        identifiers = tuple(Identifier(mcc=mcc, mnc=mnc) for mcc, mnc in codes)
        yield {"friendly_name": name, "iso_country": country, "identifiers": identifiers}


def seeded_hex(seed: int, *parts: object) -> str:
    """32 hex digits that follow from a seed and what they are for."""
    text = ":".join(str(part) for part in (seed, *parts))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def luhn_digit(digits: str) -> str:
    """The check digit at the end of an ICCID (ITU-T E.118)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def make_iccid(seed: int, *parts: object, length: int = 19) -> str:
    """A valid ICCID of 19 or 20 digits, in the range of an operator that does not exist."""
    number = int(seeded_hex(seed, "iccid", *parts), 16)
    body = ("8988999" + str(number).zfill(length))[: length - 1]
    return body + luhn_digit(body)


def make_registration_code(seed: int, *parts: object) -> str:
    """The ten characters printed on a card."""
    return seeded_hex(seed, "code", *parts)[:10].upper()
