from __future__ import annotations

import math

import pytest

from asyncsim.core.tokens import Renewals, Token, read_response
from asyncsim.redaction import Redacted


def token(*, life: float = 3600.0, replaces: bool = False, proven_at: float = -math.inf) -> Token:
    return Token(Redacted("Bearer s3cret"), 1, 0.0, life, replaces, proven_at)


@pytest.mark.parametrize(
    ("life", "due_at"), [(3600.0, 3540.0), (86400.0, 86340.0), (300.0, 270.0), (1.0, 0.9)]
)
def test_a_token_is_renewed_60_seconds_or_a_tenth_of_its_lifetime_before_expiry(
    life: float, due_at: float
) -> None:
    assert token(life=life).due_at == pytest.approx(due_at)


def test_a_failed_renewal_is_retried_5_seconds_later() -> None:
    one = token()
    assert one.postpone(3550.0)
    assert one.due_at == 3555.0


def test_a_renewal_is_never_postponed_past_expiry() -> None:
    one = token()
    assert one.postpone(3599.0)
    assert one.due_at == 3600.0
    assert not one.postpone(3600.0)


def test_a_replacement_token_that_never_worked_is_kept_for_5_seconds() -> None:
    one = token(replaces=True)
    assert not Renewals().can_help(one, 4.9)
    assert Renewals().can_help(one, 5.0)


def test_any_other_token_is_replaced_when_it_is_rejected() -> None:
    assert Renewals().can_help(token(), 0.0)
    assert Renewals().can_help(token(replaces=True, proven_at=1.0), 2.0)


def test_an_unproven_token_is_replaced_at_once_where_tokens_have_been_revoked() -> None:
    renewals = Renewals()
    renewals.helped(1, 0.0)
    assert renewals.can_help(token(replaces=True), 1.0)
    assert not Renewals().can_help(token(replaces=True), 1.0)


def test_the_first_renewal_is_immediate_and_later_ones_back_off() -> None:
    renewals, least, most = Renewals(), [], []
    for _ in range(5):
        least.append(renewals.pause(0.0, 0.0))
        most.append(renewals.pause(0.0, 1.0))
        renewals.begin(0.0)
    assert least == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert most == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert renewals.pause(60.0, 1.0) == 0.0


def test_at_most_five_renewals_a_minute() -> None:
    renewals = Renewals()
    for moment in range(5):
        assert renewals.can_help(token(), float(moment))
        renewals.begin(float(moment))
    assert not renewals.can_help(token(), 59.0)
    assert renewals.can_help(token(), 60.0)


def test_tokens_are_contested_after_four_were_revoked_within_a_minute() -> None:
    renewals = Renewals()
    for generation in range(2, 6):
        assert not renewals.are_contested(10.0)
        renewals.helped(generation, 10.0)
        renewals.helped(generation, 10.0)  # for another request
    assert renewals.are_contested(69.0)
    assert not renewals.are_contested(70.0)


HOUR = 3600.0


@pytest.mark.parametrize(
    ("given", "life"),
    [
        (86400, 86400.0),
        ("86400", 86400.0),
        (0.001, 1.0),
        (24 * 31 * 86400, 744 * 86400.0),
        # No usable lifetime: assume the shortest that KORE grants; a shorter one is rejected.
        (None, HOUR),
        (0, HOUR),
        (-1, HOUR),
        ("1h", HOUR),
        ("", HOUR),
        ("nan", HOUR),
        (float("nan"), HOUR),
        ([60], HOUR),
        ({}, HOUR),
        (10**400, HOUR),
        # Absurdly long: a timestamp instead of a duration, or worse.
        (1_800_000_000, 750 * 86400.0),
        (1e300, 750 * 86400.0),
        (float("inf"), 750 * 86400.0),
    ],
)
def test_a_lifetime_is_read_if_valid_else_assumed(given: object, life: float) -> None:
    assert read_response({"access_token": "abc", "expires_in": given}) == ("Bearer abc", life)


def test_a_missing_lifetime_is_assumed() -> None:
    assert read_response({"access_token": "abc"}) == ("Bearer abc", HOUR)


def test_whitespace_around_a_token_is_stripped() -> None:
    assert read_response({"access_token": " abc\r\n", "expires_in": 60}) == ("Bearer abc", 60.0)


@pytest.mark.parametrize("value", ["a b", "a\nb", "a\r\nX-Evil: 1", "a\0b", "abcä", "a\u200bb"])
def test_a_token_with_invalid_header_characters_is_rejected_and_not_quoted(value: str) -> None:
    reason = read_response({"access_token": value, "expires_in": 60})
    assert isinstance(reason, str)
    assert value not in reason
    assert "no header may carry" in reason


@pytest.mark.parametrize("response", [None, 7, "token", ["token"]])
def test_a_response_that_is_no_json_object_holds_no_token(response: object) -> None:
    assert read_response(response) == "not a JSON object"


@pytest.mark.parametrize("value", [None, 7, "", "  ", ["x"]])
def test_an_access_token_must_be_a_non_empty_string(value: object) -> None:
    assert read_response({"access_token": value}) == "it holds no access_token"
    assert read_response({}) == "it holds no access_token"


def test_a_token_never_shows_its_value() -> None:
    assert "s3cret" not in repr(token())
    assert "s3cret" not in str(token())
