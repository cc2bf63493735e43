from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from urllib.parse import parse_qs

import pytest
from hypothesis import given, strategies as st

from asyncsim.kind import FormKey
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.wire import forms

# A form is text, which a lone surrogate is not.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TEXTS = ("unique_name", "fleet", "callback_url", "account_sid")


class EveryType(TypedDict, total=False):
    """One keyword of every type."""

    networks: list[str]
    enabled: bool
    since: datetime
    limit: int
    mode: Literal["a", "b"] | None
    open_mode: Literal["a"] | str
    eid: Annotated[NotRequired[str], FormKey("EId")]


@pytest.mark.parametrize(
    ("keyword", "key"),
    [("status", "Status"), ("sms_fallback_url", "SmsFallbackUrl"), ("account_sid", "AccountSid")],
)
def test_a_key_is_the_pascal_case_of_its_keyword(keyword: str, key: str) -> None:
    assert forms.pascal(keyword) == key


def test_a_keyword_declares_its_key_choices_and_whether_it_is_required() -> None:
    params = forms.params_of(EveryType)
    assert params["eid"].key == "EId"
    assert params["mode"] == forms.Param("mode", "Mode", False, ("a", "b"), True)
    assert params["open_mode"].choices is None
    assert params["limit"].clearable is False
    assert forms.params_of(supersim.SimRegister)["iccid"].required is True


def test_parameters_are_found_by_their_key_too() -> None:
    assert forms.params_by_key(wireless.SimFilter)["EId"].keyword == "eid"


@pytest.mark.parametrize(
    ("values", "body"),
    [
        ({"networks": ["HW1", "HW2"]}, "Networks=HW1&Networks=HW2"),
        ({"networks": []}, ""),
        ({"enabled": True}, "Enabled=true"),
        ({"enabled": False}, "Enabled=false"),
        ({"since": datetime(2015, 7, 30, 20, 0, tzinfo=UTC)}, "Since=2015-07-30T20%3A00%3A00Z"),
        ({"limit": 0}, "Limit=0"),
        ({"mode": None}, "Mode="),
        ({"eid": "890330"}, "EId=890330"),
        ({"open_mode": "a b&c=d/é+"}, "OpenMode=a+b%26c%3Dd%2F%C3%A9%2B"),
        ({}, ""),
    ],
)
def test_a_value_is_encoded_as_by_the_vendors_own_libraries(
    values: dict[str, Any], body: str
) -> None:
    assert forms.encode(EveryType, values) == body


@given(st.dictionaries(st.sampled_from(TEXTS), TEXT))
def test_an_encoded_form_decodes_as_in_the_standard_library(
    values: dict[str, str],
) -> None:
    body = forms.encode(supersim.SimUpdate, values)
    expected = {forms.pascal(keyword): [value] for keyword, value in values.items()}
    assert forms.decode(body) == expected
    assert parse_qs(body, keep_blank_values=True) == expected


@given(TEXT)
def test_any_text_decodes_without_an_error(text: str) -> None:
    assert all(values for values in forms.decode(text).values())


def test_a_misspelt_keyword_is_a_type_error_with_a_suggestion() -> None:
    with pytest.raises(TypeError, match=r"update takes no keyword 'statsu'; did you mean 'status'"):
        forms.check(supersim.SimUpdate, {"statsu": "active"}, "update")


def test_a_keyword_similar_to_none_is_a_type_error_that_lists_them() -> None:
    with pytest.raises(TypeError, match=r"it takes unique_name, status, fleet, .*account_sid"):
        forms.check(supersim.SimUpdate, {"zzz": "active"}, "update")


def test_a_wrong_value_is_a_value_error_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"status cannot be 'activ'; did you mean 'active'"):
        forms.check(supersim.SimUpdate, {"status": "activ"}, "update")


@pytest.mark.parametrize("status", ["scheduled", "updating", "canceled"])
def test_a_status_that_only_the_vendor_sets_is_rejected(status: str) -> None:
    with pytest.raises(ValueError, match=f"status cannot be {status!r}"):
        forms.check(wireless.SimUpdate, {"status": status}, "update")


def test_clearing_a_field_that_cannot_be_cleared_is_an_error() -> None:
    with pytest.raises(ValueError, match="status cannot be cleared; leave it out"):
        forms.check(supersim.SimUpdate, {"status": None}, "update")


def test_a_clearable_field_may_be_none() -> None:
    forms.check(supersim.SimUpdate, {"fleet": None, "unique_name": None}, "update")


@pytest.mark.parametrize("code", [{}, {"registration_code": ""}, {"registration_code": None}])
def test_a_missing_or_empty_required_keyword_is_rejected(code: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match="registration_code"):
        forms.check(supersim.SimRegister, {"iccid": "8988", **code}, "register")


@given(st.text("ab=&%+2 ", max_size=30))
def test_forms_without_escapes_decode_like_all_others(text: str) -> None:
    assert forms.decode(text) == parse_qs(text, keep_blank_values=True)
