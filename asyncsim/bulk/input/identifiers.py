"""Identifiers of SIMs in the input: SIDs, ICCIDs and unique names, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from asyncsim.bulk.records import Naming
from asyncsim.kind import Kind
from asyncsim.resources.names import check_name
from asyncsim.validation import looks_like_iccid, looks_like_sid

# Spreadsheets and data frames turn 20 digits into a number: 8.99E+19,
# 8,99E+19 with decimal commas, 89883070000012345678.0.
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+|[0-9]{15,}[.,][0-9]+")
_FORMULA = re.compile(r'="(.*)"')  # ="0012" keeps text text in spreadsheets, as '0012 does
# Blanks, dashes and characters copied from web pages and PDFs: soft hyphens, zero-width and
# direction marks, byte order marks.
_SEPARATORS = re.compile("[\\s\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060\ufeff-]+")
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_PRECISE_DIGITS = 15  # significant digits of a number in a spreadsheet (IEEE 754 doubles)
_LONGEST_SHOWN = 60  # characters of a value in a message

LOST_DIGITS = (
    "its last digits are lost; format that column as text before the numbers are entered or"
    " imported, then export again"
)
FLOAT_DIGITS = (
    "which cannot hold all digits of an ICCID; read that column as text (in pandas: dtype=str)"
)


def shortened(value: object) -> str:
    """Return a value for a message: its repr, shortened."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 4]}...{text[-1]}"


def strip_text_marks(text: str) -> str:
    """Remove blanks and the marks by which a spreadsheet keeps text text."""
    text = text.strip()
    if found := _FORMULA.fullmatch(text):
        text = found[1]
    return text.lstrip("'").strip()


def _compact(text: str) -> str:
    return _SEPARATORS.sub("", strip_text_marks(text))


def is_rounded(text: str) -> bool:
    """Tell whether a text is a number whose digits a program has rounded."""
    return _ROUNDED.fullmatch(text) is not None


def is_sid_or_iccid(text: str) -> bool:
    """Tell whether a text can only be a SID or an ICCID, possibly rounded."""
    compact = _compact(text)
    named = looks_like_iccid(compact) or looks_like_sid(compact, any_case=True)
    return named or is_rounded(strip_text_marks(text))


def guess_naming(text: str) -> Naming:
    """Return the kind of a bare name, by its form."""
    compact = _compact(text)
    if looks_like_sid(compact, any_case=True):
        return "sid"
    if looks_like_iccid(compact) or is_rounded(strip_text_marks(text)):
        return "iccid"
    return "unique_name"


def parse_iccid(text: str, kind: Kind[Any]) -> str:
    """Return an ICCID without separators; ValueError says what is wrong with it."""
    if text.isascii() and text.isdigit() and 18 <= len(text) <= 22:  # a million of these: no regex
        return text
    if is_rounded(strip_text_marks(text)):
        raise ValueError(f"{shortened(text)} is an ICCID that a program has rounded, {LOST_DIGITS}")
    compact = _compact(text)
    if looks_like_iccid(compact):
        return compact
    if not (compact.isascii() and compact.isdigit()):
        raise ValueError(f"{shortened(text)} is not an ICCID: an ICCID has only digits")
    raise ValueError(f"{shortened(text)} is not an ICCID: {len(compact)} digits, not 18 to 22")


def parse_sid(text: str, kind: Kind[Any]) -> str:
    """Return a SID of this kind; ValueError says what is wrong, or which column it belongs in."""
    compact = _compact(text)
    name = compact[:2].upper() + compact[2:].lower()
    if kind.is_sid(name):
        return name
    if looks_like_sid(name):
        check_name(kind, name)  # says which resource a SID of that prefix belongs to
    wanted = f"{kind.sid_prefix} and 32 hex digits"
    if looks_like_iccid(compact) or is_rounded(compact):
        raise ValueError(
            f"{shortened(text)} is not a SID ({wanted}); name a column of ICCIDs iccid"
        )
    raise ValueError(
        f"{shortened(text)} is not the SID of a {kind.product.label} {kind.noun} ({wanted});"
        " name a column of unique names unique_name"
    )


def parse_unique_name(text: str, kind: Kind[Any]) -> str:
    """Return a unique name; ValueError says why it cannot be one."""
    return check_name(kind, text.strip())


PARSERS: Mapping[Naming, Callable[[str, Kind[Any]], str]] = {
    "sid": parse_sid,
    "iccid": parse_iccid,
    "unique_name": parse_unique_name,
}


def has_valid_check_digit(digits: str) -> bool:
    """Tell whether the last digit is the Luhn check digit of the others (ITU-T E.118)."""
    # On bytes, not digit by digit: this runs for each of a million rows.
    number = digits.encode()
    plain = number[::-1][::2]
    doubled = number[::-1][1::2].translate(_DOUBLED)
    return (sum(plain) - 48 * len(plain) + sum(doubled)) % 10 == 0


def ends_in_zeros(digits: str) -> bool:
    """Tell whether an ICCID looks like a number that a spreadsheet has rounded."""
    return not digits[_PRECISE_DIGITS:].strip("0")
