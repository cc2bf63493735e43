from __future__ import annotations

import pytest

from asyncsim.kind import belongs, looks_like_sid, only
from asyncsim.models.supersim.sims import SIMS
from asyncsim.vendors import KORE, TWILIO

HEX = "0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize("name", [f"HS{HEX}", f"DE{HEX}"])
def test_two_capitals_and_32_hex_digits_look_like_a_sid(name: str) -> None:
    assert looks_like_sid(name)


@pytest.mark.parametrize(
    "name", ["", "HS", f"hs{HEX}", f"HS{HEX}0", f"HS{HEX[:-1]}", f"HS{HEX[:-1]}g", f"HS{HEX}\n"]
)
def test_anything_else_does_not(name: str) -> None:
    assert not looks_like_sid(name)


def test_a_kind_knows_its_own_sids() -> None:
    assert SIMS.is_sid(f"HS{HEX}")
    assert not SIMS.is_sid(f"DE{HEX}")
    assert not SIMS.is_sid("HS-my-name")


def test_a_field_of_one_vendor_belongs_to_that_one_only() -> None:
    assert belongs({}, TWILIO)
    assert belongs(only("kore"), KORE)
    assert not belongs(only("kore"), TWILIO)
