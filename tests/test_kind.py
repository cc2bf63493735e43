from __future__ import annotations

from asyncsim.kind import belongs, only
from asyncsim.models.supersim.sims import SIMS
from asyncsim.vendors import KORE, TWILIO

HEX = "0123456789abcdefABCDEF0123456789"


def test_a_kind_recognises_its_own_sids() -> None:
    assert SIMS.is_sid(f"HS{HEX}")
    assert not SIMS.is_sid(f"DE{HEX}")
    assert not SIMS.is_sid("HS-my-name")


def test_a_field_may_belong_to_one_vendor() -> None:
    assert belongs({}, TWILIO)
    assert belongs(only("kore"), KORE)
    assert not belongs(only("kore"), TWILIO)
