from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from asyncsim.bulk.input import identifiers
from asyncsim.emulator.fixtures import luhn_digit
from asyncsim.models.supersim.sims import SIMS
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from tests.bulk.input.reads import ICCID, SID


@pytest.mark.parametrize(
    "text",
    [
        ICCID,
        f" {ICCID} ",
        f"'{ICCID}",
        f'="{ICCID}"',
        "8988 3070 0000 1234 564",
        "8988-3070-0000-1234-564",
        "8988\u00a03070\u20110000\u20131234\u200b564",
        f"\ufeff{ICCID}",
    ],
)
def test_decorations_of_an_iccid_are_stripped(text: str) -> None:
    assert identifiers.parse_iccid(text, SIMS) == ICCID
    assert identifiers.guess_naming(text) == "iccid"
    assert identifiers.is_sid_or_iccid(text)


@pytest.mark.parametrize(
    "text", ["8.99E+19", "8,99E+19", "8.98831e19", "9E+19", "'9E+19", "89883070000012345000.0"]
)
def test_a_rounded_iccid_is_rejected_with_advice_on_exporting(text: str) -> None:
    with pytest.raises(ValueError, match=r"rounded.*as text.*export again"):
        identifiers.parse_iccid(text, SIMS)
    assert identifiers.is_sid_or_iccid(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8988307000O01234566", "only digits"),
        ("89883070000012345F", "only digits"),
        ("\u0668" * 19, "only digits"),
        (SID, "only digits"),
        ("12345", "5 digits, not 18 to 22"),
        ("1" * 23, "23 digits"),
        ("-", "only digits"),
    ],
)
def test_an_invalid_iccid_is_reported(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identifiers.parse_iccid(text, SIMS)


@pytest.mark.parametrize("text", [SID, SID.upper(), SID.lower(), f" '{SID}", f'="{SID}"'])
def test_a_sid_is_recognized_in_any_letter_case(text: str) -> None:
    assert identifiers.parse_sid(text, SIMS) == SID


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DE" + "0a" * 16, "a Programmable Wireless Sim"),
        ("HF" + "0a" * 16, "a Fleet"),
        ("ZZ" + "0a" * 16, "not the SID of a Super SIM Sim"),
        (ICCID, "name a column of ICCIDs iccid"),
        ("8.99E+19", "name a column of ICCIDs iccid"),
        ("van 7", "name a column of unique names unique_name"),
        (SID[:-1], "HS and 32 hex digits"),
    ],
)
def test_an_invalid_sid_is_reported(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identifiers.parse_sid(text, SIMS)


def test_a_sid_of_the_other_product_is_reported_for_both_products() -> None:
    with pytest.raises(ValueError, match="a Super SIM Sim"):
        identifiers.parse_sid(SID, WIRELESS_SIMS)


@pytest.mark.parametrize("text", [".", "..", "HF" + "0a" * 16])
def test_a_name_that_is_invalid_in_a_path_is_no_unique_name(text: str) -> None:
    with pytest.raises(ValueError):
        identifiers.parse_unique_name(text, SIMS)


def test_a_unique_name_keeps_its_inner_spaces_and_apostrophes() -> None:
    assert identifiers.parse_unique_name(" 's van 7/8 ", SIMS) == "'s van 7/8"
    assert identifiers.guess_naming("van 7/8") == "unique_name"


@given(st.text("0123456789", min_size=17, max_size=21))
def test_check_digits_follow_the_luhn_standard(body: str) -> None:
    right = luhn_digit(body)
    assert identifiers.has_valid_check_digit(body + right)
    assert not any(identifiers.has_valid_check_digit(body + d) for d in "0123456789" if d != right)


def test_numbers_rounded_by_a_spreadsheet_end_in_zeros() -> None:
    assert identifiers.ends_in_zeros("89883070000012300000")
    assert not identifiers.ends_in_zeros("89883070000012300001")


def test_a_long_value_is_truncated_in_messages() -> None:
    assert identifiers.shortened("x" * 100) == "'" + "x" * 55 + "...'"
