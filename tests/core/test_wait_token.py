"""Wait tokens: what they hold and hide, their size, and who can read them."""

from __future__ import annotations

import base64
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from asyncsim.core.goal import Goal, GoalStatus
from asyncsim.core.unproven import Before
from asyncsim.core.wait_token import MAX_LENGTH, HiddenValue, WaitToken, read, sign
from asyncsim.kind import Kind
from asyncsim.models.supersim.sims import SIMS as SUPERSIM, Sim as SuperSim
from asyncsim.models.wireless.sims import SIMS as WIRELESS, Sim as WirelessSim
from asyncsim.wait_errors import TokenError

KINDS: dict[str, Kind[Any]] = {"HS": SUPERSIM, "DE": WIRELESS}
ACCOUNT = "AbCdEfGh"
OLD, NEW = b"old secret", b"new secret"
DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = 1_767_323_045.678
NONCE = "AbCdEfGh" + "0123456789abcd_-"
HS, DE = "HS" + "0a" * 16, "DE" + "f7" * 16
GOLDEN = (
    "w1-AbCdEfGhmMQSREX39_f39_f39_f39_f39_f3xBIBsJ0R8aHTXbfjnrvz1ptx3_7PAAABm3y3Ss7OAA"
    "27oKNuZXfW_2lXNaWDBKlzdXNwZW5kZWQKxAYjpx5vmSAAqXJlc2V0dGluZ8DdghOspk8wNRHnebdPm3tc"
)
LONGEST_TEXT = "https://user:password@example.com/" + "x" * 900


def token(
    change: dict[str, Any], sid: str = HS, until: frozenset[str] | None = None, **other: Any
) -> WaitToken:
    kind = KINDS[sid[:2]]
    given: dict[str, Any] = {
        "account": ACCOUNT,
        "sid": sid,
        "nonce": NONCE,
        "prepared_at": NOW,
        "deadline": NOW + 900,
        "before": Before("new", DATE),
        "goal": Goal(kind, change, until),
        **other,
    }
    return WaitToken(**given)


def read_back(text: str) -> WaitToken:
    return read(text, [OLD], ACCOUNT, KINDS)


def change_of(kind: Any, value: str) -> dict[str, Any]:
    """Every keyword at once, with a value as long as it can be."""
    change = dict.fromkeys(kind.compared, value)
    change |= {name: "POST" for name in change if name.endswith("_method")}
    return change | {"status": "deactivated" if kind is WIRELESS else "inactive"}


def test_a_token_says_which_change_of_which_sim_and_until_when() -> None:
    given = token({"status": "active", "unique_name": None}, until=frozenset({"ready", "active"}))
    text = sign(given, OLD)
    found = read_back(text)
    assert re.fullmatch(r"w1-[A-Za-z0-9_-]+", text)
    assert (found.sid, found.nonce, found.before) == (given.sid, given.nonce, given.before)
    assert found.deadline == pytest.approx(given.deadline, abs=0.001)
    assert found.prepared_at == pytest.approx(given.prepared_at, abs=0.002)
    assert found.goal.requested == {"status": "active", "unique_name": None}
    assert (found.goal.until, found.goal.kind) == (given.goal.until, SUPERSIM)


def test_this_token_of_version_1_is_read_by_every_later_version() -> None:
    """If this fails, the format has changed: tokens that services have stored become useless."""
    given = token(
        {"status": "suspended", "sms_url": "https://u:p@example.com", "reset_status": "resetting"},
        DE,
    )
    assert sign(given, OLD) == GOLDEN
    found = read_back(GOLDEN)
    assert found.goal.requested["status"] == "suspended"
    assert found.goal.requested["reset_status"] == "resetting"
    assert found.goal.requested["sms_url"] == "https://u:p@example.com"


@pytest.mark.parametrize(("kind", "sid"), [(SUPERSIM, HS), (WIRELESS, DE)])
@pytest.mark.parametrize("value", ["x" * 64, LONGEST_TEXT, "ü" * 64])
def test_every_change_fits_and_is_recognised(kind: Any, sid: str, value: str) -> None:
    change = change_of(kind, value)
    text = sign(token(change, sid, until=None), OLD)
    assert len(text) <= MAX_LENGTH
    assert text.isascii()
    goal = read_back(text).goal
    shown = {kind.compared[name]: text for name, text in change.items()}
    model: Any = SuperSim if kind is SUPERSIM else WirelessSim
    assert goal.evaluate(model(sid=sid, **shown)) is GoalStatus.REACHED
    for name, attribute in kind.compared.items():
        other = {**shown, attribute: "active" if name == "status" else "other"}
        assert goal.evaluate(model(sid=sid, **other)) is GoalStatus.OFF_TARGET


@given(values=st.dictionaries(st.sampled_from(sorted(WIRELESS.compared)), st.text(max_size=90)))
def test_any_change_of_texts_fits(values: dict[str, str]) -> None:
    change = {**values, "status": "active"}
    change |= {name: "GET" for name in change if name.endswith("_method")}
    text = sign(token(change, DE), OLD)
    assert len(text) <= MAX_LENGTH
    assert dict(read_back(text).goal.requested) == change


def test_values_stay_readable_as_long_as_they_fit_and_urls_never_do() -> None:
    change = {
        "unique_name": "meter 7",
        "friendly_name": "x" * 200,
        "sms_url": "https://u:p@x.example",
        "voice_url": None,
        "sms_fallback_url": "",
    }
    found = read_back(sign(token(change, DE), OLD)).goal.requested
    shown = {name: repr(value) for name, value in found.items()}
    assert shown == {
        "unique_name": "'meter 7'",
        "friendly_name": "<hidden>",
        "sms_url": "<hidden>",
        "voice_url": "None",
        "sms_fallback_url": "''",
    }


def test_a_token_holds_no_url_in_clear_and_none_that_can_be_guessed_without_the_secret() -> None:
    password = "https://user:1234@example.com"
    one, other = (sign(token({"sms_url": password}, DE), secret) for secret in (OLD, NEW))
    assert password[:12].encode() not in base64.urlsafe_b64decode(one[3:] + "==")
    assert one[:90] == other[:90]
    assert one[90:] != other[90:]


def test_a_change_that_cannot_fit_is_rejected() -> None:
    statuses = frozenset(f"custom status {number}" for number in range(30))
    with pytest.raises(ValueError, match="and 300 are allowed: change fewer things at once"):
        sign(token({"status": "active"}, until=statuses), OLD)


def test_a_sid_keeps_its_capital_digits() -> None:
    sid = "HS" + "0A" * 16
    assert read_back(sign(token({}, sid), OLD)).sid == sid


def test_the_first_secret_signs_and_any_of_several_verifies() -> None:
    text = sign(token({"sms_url": "https://x.example"}, DE), OLD)
    for secrets in ([OLD], [NEW, OLD], [OLD, NEW]):
        found = read(text, secrets, ACCOUNT, KINDS)
        assert found.goal.requested["sms_url"] == "https://x.example"


def test_a_token_without_a_ticket_has_none() -> None:
    assert read_back(sign(token({}, nonce=None), OLD)).nonce is None


@pytest.mark.parametrize(
    ("secrets", "account", "reason"),
    [
        ([NEW], ACCOUNT, "signed with a secret that this client does not have"),
        ([], ACCOUNT, "signed with a secret that this client does not have"),
        ([OLD], "another1", "belongs to another account, vendor, or API client"),
        ([NEW], "another1", "belongs to another account"),
    ],
)
def test_tokens_of_others_are_rejected(secrets: list[bytes], account: str, reason: str) -> None:
    text = sign(token({"status": "active"}), OLD)
    with pytest.raises(TokenError, match=reason) as rejected:
        read(text, secrets, account, KINDS)
    assert text not in str(rejected.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not the token of a wait"),
        ("w1-", "not the token of a wait"),
        ("w1-a", "changed, or cut off"),
        ("w1-aaaa", "belongs to another account"),
        ("w1-" + "a" * 200, "belongs to another account"),
        ("w1-" + "a" * 5000, "not the token of a wait"),
        ("w2-aaaa", "version 2 of its format"),
        (" w1-aaaa", "not the token of a wait"),
        ("w1-ää", "not the token of a wait"),
        (None, "not the token of a wait"),
        (b"w1-aaaa", "not the token of a wait"),
    ],
)
def test_what_is_no_token_is_rejected(text: Any, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        read_back(text)


def test_a_token_that_was_changed_or_cut_off_is_rejected() -> None:
    text = sign(token({"status": "active", "sms_url": "https://x"}, DE), OLD)
    for at in range(3, len(text)):
        with pytest.raises(TokenError):
            read_back(text[:at])
        for other in set("aZ0_-") - {text[at]}:
            with pytest.raises(TokenError):
                read_back(text[:at] + other + text[at + 1 :])


def test_a_token_of_an_unknown_kind_or_keyword_is_rejected() -> None:
    text = sign(token({"account_sid": "AC1"}), OLD)
    with pytest.raises(TokenError, match="does not know"):
        read(text, [OLD], ACCOUNT, {"DE": WIRELESS})
    fewer = {name: SUPERSIM.compared[name] for name in ("unique_name", "status")}
    with pytest.raises(TokenError, match="does not know"):
        read(text, [OLD], ACCOUNT, {"HS": evolve(SUPERSIM, compared=fewer)})


def test_a_hidden_value_equals_its_text_only_and_loses_its_key_in_a_pickle() -> None:
    found = read_back(sign(token({"sms_url": "https://x"}, DE), OLD)).goal.requested["sms_url"]
    assert isinstance(found, HiddenValue)
    assert found == "https://x"
    assert [found == other for other in ("https://y", "", None, 1, found)] == [False] * 5
    restored = pickle.loads(pickle.dumps(found))
    assert repr(restored) == "<hidden>"
    assert restored != "https://x"
