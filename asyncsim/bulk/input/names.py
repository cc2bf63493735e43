"""Names of SIMs as files and lists have them: SIDs, ICCIDs and unique names, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from asyncsim.bulk.records import Naming
from asyncsim.kind import Kind
from asyncsim.resources.names import check_name

_ICCID = re.compile(r"[0-9]{18,22}")
_SID = re.compile(r"[A-Za-z]{2}[0-9a-fA-F]{32}")
# What spreadsheets and data frames make of 20 digits that they take for a number.
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+|[0-9]{15,}[.,][0-9]+")
_FORMULA = re.compile(r'="(.*)"')  # ="0012" keeps text text in spreadsheets, as '0012 does
_SEPARATORS = re.compile("[\\s\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060\ufeff-]+")
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_PRECISE = 15  # digits that a spreadsheet keeps of a number; it writes zeros for the rest

AS_TEXT = (
    "its last digits are lost; format that column as text before the numbers are entered or"
    " imported, then export again"
)

FLOAT = "which cannot hold all digits of an ICCID; read that column as text (in pandas: dtype=str)"


def shown(value: object) -> str:
    """A value as problems show it, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[-1]}"


def unquoted(text: str) -> str:
    """Without what spreadsheets put around text to keep it text."""
    text = text.strip()
    if found := _FORMULA.fullmatch(text):
        text = found[1]
    return text.lstrip("'").strip()


def is_rounded(text: str) -> bool:
    """Tell whether a text is a number of which a program has dropped digits."""
    return _ROUNDED.fullmatch(text) is not None


def looks_like_a_name(text: str) -> bool:
    """Tell whether a text can be nothing but a SID or an ICCID, rounded ones included."""
    plain = _plain(text)
    return bool(_ICCID.fullmatch(plain) or _SID.fullmatch(plain)) or is_rounded(unquoted(text))


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", unquoted(text))


def iccid(text: str, kind: Kind[Any]) -> str:
    """An ICCID without separators; ValueError says what is wrong with it."""
    if text.isascii() and text.isdigit() and 18 <= len(text) <= 22:
        return text
    if is_rounded(unquoted(text)):
        raise ValueError(f"{shown(text)} is an ICCID that a program has rounded, {AS_TEXT}")
    plain = _plain(text)
    if _ICCID.fullmatch(plain):
        return plain
    if not (plain.isascii() and plain.isdigit()):
        raise ValueError(f"{shown(text)} is no ICCID: those have digits only")
    raise ValueError(f"{shown(text)} is no ICCID: {len(plain)} digits, not 18 to 22")


def sid(text: str, kind: Kind[Any]) -> str:
    """A SID of this kind; ValueError says what is wrong with it, or where it belongs."""
    plain = _plain(text)
    name = plain[:2].upper() + plain[2:].lower()
    if kind.is_sid(name):
        return name
    if _SID.fullmatch(name):
        check_name(kind, name)
    wanted = f"{kind.sid_prefix} and 32 hex digits"
    if _ICCID.fullmatch(plain) or is_rounded(plain):
        raise ValueError(f"{shown(text)} is no SID ({wanted}); call a column of ICCIDs iccid")
    raise ValueError(
        f"{shown(text)} is no SID of a {kind.product.label} {kind.noun} ({wanted});"
        " call a column of unique names unique_name"
    )


def unique_name(text: str, kind: Kind[Any]) -> str:
    """A unique name; ValueError if it can be none."""
    return check_name(kind, text.strip())


CHECKS: Mapping[Naming, Callable[[str, Kind[Any]], str]] = {
    "sid": sid,
    "iccid": iccid,
    "unique_name": unique_name,
}
"""How a name of each sort is checked."""


def sort_of(text: str) -> Naming:
    """What a bare name is, by its looks."""
    plain = _plain(text)
    if _SID.fullmatch(plain):
        return "sid"
    if _ICCID.fullmatch(plain) or is_rounded(unquoted(text)):
        return "iccid"
    return "unique_name"


def has_check_digit(digits: str) -> bool:
    """Tell whether the last digit closes the others (Luhn; ITU-T E.118)."""
    number = digits.encode()
    plain = number[::-1][::2]
    doubled = number[::-1][1::2].translate(_DOUBLED)
    return (sum(plain) - 48 * len(plain) + sum(doubled)) % 10 == 0


def ends_in_zeros(digits: str) -> bool:
    """Tell whether an ICCID looks like a number that a spreadsheet has written out again."""
    return not digits[_PRECISE:].strip("0")
