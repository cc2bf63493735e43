"""SIDs, ICCIDs and codes: drawn from the seed and a number, so that runs and restarts agree."""

from __future__ import annotations

import hashlib


def digest(seed: int, *parts: object) -> str:
    """32 hex digits out of a seed and what they stand for."""
    text = ":".join(str(part) for part in (seed, *parts))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def luhn(digits: str) -> str:
    """The check digit that closes an ICCID (ITU-T E.118)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def iccid(seed: int, *parts: object, length: int = 19) -> str:
    """A valid ICCID of 19 or 20 digits, in the range of an operator that does not exist."""
    number = int(digest(seed, "iccid", *parts), 16)
    body = ("8988999" + str(number).zfill(length))[: length - 1]
    return body + luhn(body)


def registration_code(seed: int, *parts: object) -> str:
    """The ten characters printed on a card."""
    return digest(seed, "code", *parts)[:10].upper()
