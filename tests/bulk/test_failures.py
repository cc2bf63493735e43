from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from asyncsim import errors
from asyncsim.bulk import failures
from asyncsim.models.supersim import sims as supersims
from asyncsim.models.wireless import sims
from tests.parity.declarations import kinds
from tests.test_errors import EXAMPLES, SID

EACH = [error for error, _ in EXAMPLES]
NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
WATCHED = [kind for kind in kinds().values() if kind.pending]


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
def test_every_error_of_the_tree_comes_back_with_its_class_text_and_parts(
    error: errors.AsyncSimError,
) -> None:
    again = failures.load(failures.dump(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "last",
    [
        supersims.Sim(sid=SID, status="scheduled", date_updated=NOON, links={"a": "b"}),
        sims.Sim(sid=SID, status="of tomorrow", iccid="8988307000000000006", date_created=NOON),
    ],
    ids=["supersim", "wireless"],
)
def test_the_record_last_seen_comes_back_as_a_record(last: Any) -> None:
    again = failures.load(failures.dump(errors.TransitionTimeout(SID, {}, last, 5)))
    assert isinstance(again, errors.TransitionTimeout)
    assert again.last == last
    assert type(again.last) is type(last)


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: f"{kind.product}-{kind.noun}")
def test_a_record_of_every_kind_that_can_be_waited_for_comes_back(kind: Any) -> None:
    model = kind.model(sid=SID, status="of tomorrow")
    again = failures.load(failures.dump(errors.TransitionFailed(SID, {}, model)))
    assert isinstance(again, errors.TransitionFailed)
    assert again.actual == model


@given(st.text(), st.none() | st.integers(), st.none() | st.text(), st.floats(allow_nan=False))
def test_no_text_of_a_vendor_is_too_odd(
    said: str, code: int | None, more: str | None, seconds: float
) -> None:
    refused = errors.BadRequest(400, code, said, more, asked=said)
    late = errors.TransitionTimeout(said, {"status": more, "fleet": said}, None, seconds)
    for error in (refused, late):
        again = failures.load(failures.dump(error))
        assert (type(again), vars(again)) == (type(error), vars(error))


def test_half_a_surrogate_pair_is_written_as_plain_ascii() -> None:
    written = failures.dump(errors.BadRequest(400, None, "odd \ud800"))
    assert written.isascii()
    assert "odd \ud800" in str(failures.load(written))


@pytest.mark.parametrize("error", [ValueError("7 is no status"), OSError(28, "No space left")])
def test_of_a_foreign_error_the_text_comes_back(error: Exception) -> None:
    again = failures.load(failures.dump(error))
    assert type(again) is errors.AsyncSimError
    assert str(again) == str(error)


def test_a_foreign_error_without_text_is_called_by_its_class() -> None:
    assert str(failures.load(failures.dump(TimeoutError()))) == "TimeoutError"


def test_a_class_that_only_has_the_name_of_one_of_ours_is_foreign() -> None:
    class NotFound(Exception):
        pass

    again = failures.load(failures.dump(NotFound("other")))
    assert (type(again), str(again)) == (errors.AsyncSimError, "other")


def test_a_value_without_a_form_in_json_is_written_as_its_text() -> None:
    failed = errors.TransitionFailed(SID, {"status": NOON}, object())
    again = failures.load(failures.dump(failed))
    assert isinstance(again, errors.TransitionFailed)
    assert again.requested == {"status": str(NOON)}


def test_notes_stay_behind() -> None:
    error = errors.Unsupported("no")
    error.add_note("in run 1")
    again = failures.load(failures.dump(error))
    again.add_note("in run 2")
    assert again.__notes__ == ["in run 2"]


@pytest.mark.parametrize(
    "parts",
    [None, {"status": 400}, {"last": {"asyncsim.record": "supersim.Sim", "fields": {}}}, 7],
    ids=["none", "too few", "a record without its fields", "no mapping"],
)
def test_parts_that_cannot_be_read_leave_the_text(parts: object) -> None:
    again = failures.load(json.dumps({"type": "BadRequest", "text": "No Fleet", "parts": parts}))
    assert (type(again), str(again)) == (errors.AsyncSimError, "No Fleet")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", '{"type": "NotFound"}'])
def test_what_was_mended_by_hand_is_shown_as_it_stands(text: str) -> None:
    assert str(failures.load(text)) == text
