from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
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
def test_every_error_class_is_restored_with_its_text_and_fields(
    error: errors.AsyncSimError,
) -> None:
    restored = failures.load(failures.dump(error))
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)


@pytest.mark.parametrize(
    "last",
    [
        supersims.Sim(sid=SID, status="scheduled", date_updated=NOON, links={"a": "b"}),
        sims.Sim(sid=SID, status="of tomorrow", iccid="8988307000000000006", date_created=NOON),
    ],
    ids=["supersim", "wireless"],
)
def test_the_last_record_is_restored_as_a_record(last: Any) -> None:
    restored = failures.load(failures.dump(errors.TransitionTimeout(SID, {}, last, 5)))
    assert isinstance(restored, errors.TransitionTimeout)
    assert restored.last == last
    assert type(restored.last) is type(last)


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: f"{kind.product}-{kind.noun}")
def test_a_record_of_every_awaitable_kind_is_restored(kind: Any) -> None:
    model = kind.model(sid=SID, status="of tomorrow")
    restored = failures.load(failures.dump(errors.TransitionFailed(SID, {}, model)))
    assert isinstance(restored, errors.TransitionFailed)
    assert restored.actual == model


@given(st.text(), st.none() | st.integers(), st.none() | st.text(), st.floats(allow_nan=False))
def test_any_vendor_text_can_be_stored(
    message: str, code: int | None, more: str | None, seconds: float
) -> None:
    rejected = errors.BadRequest(400, code, message, more, asked=message)
    late = errors.TransitionTimeout(message, {"status": more, "fleet": message}, None, seconds)
    for error in (rejected, late):
        restored = failures.load(failures.dump(error))
        assert (type(restored), vars(restored)) == (type(error), vars(error))


def test_a_lone_surrogate_is_written_as_ascii() -> None:
    written = failures.dump(errors.BadRequest(400, None, "text \ud800"))
    assert written.isascii()
    assert "text \ud800" in str(failures.load(written))


@pytest.mark.parametrize("error", [ValueError("7 is no status"), OSError(28, "No space left")])
def test_the_text_of_a_foreign_error_is_restored(error: Exception) -> None:
    restored = failures.load(failures.dump(error))
    assert type(restored) is errors.AsyncSimError
    assert str(restored) == str(error)


def test_a_foreign_error_without_text_is_named_by_its_class() -> None:
    assert str(failures.load(failures.dump(TimeoutError()))) == "TimeoutError"


def test_a_class_with_the_same_name_as_ours_is_foreign() -> None:
    class NotFound(Exception):
        pass

    restored = failures.load(failures.dump(NotFound("other")))
    assert (type(restored), str(restored)) == (errors.AsyncSimError, "other")


def test_a_value_that_json_cannot_hold_is_written_as_text() -> None:
    failed = errors.TransitionFailed(SID, {"status": Decimal("1.50"), "at": NOON}, object())
    restored = failures.load(failures.dump(failed))
    assert isinstance(restored, errors.TransitionFailed)
    assert restored.requested == {"status": "1.50", "at": NOON}


def test_exception_notes_are_not_stored() -> None:
    error = errors.Unsupported("no")
    error.add_note("in run 1")
    restored = failures.load(failures.dump(error))
    restored.add_note("in run 2")
    assert restored.__notes__ == ["in run 2"]


@pytest.mark.parametrize(
    "parts",
    [None, {"status": 400}, {"last": {"asyncsim.record": "supersim.Sim", "fields": {}}}, 7],
    ids=["none", "too few", "a record without its fields", "no mapping"],
)
def test_malformed_fields_still_restore_the_text(parts: object) -> None:
    restored = failures.load(json.dumps({"type": "BadRequest", "text": "No Fleet", "parts": parts}))
    assert (type(restored), str(restored)) == (errors.AsyncSimError, "No Fleet")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", '{"type": "NotFound"}'])
def test_a_manually_edited_text_is_shown_as_is(text: str) -> None:
    assert str(failures.load(text)) == text
