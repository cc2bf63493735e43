"""Rows of which only SID and status are read, until somebody wants more."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from asyncsim.errors import DecodeError
from asyncsim.resources.rows import Later, named_page
from asyncsim.waiting import Row
from asyncsim.wire.pages import RawPage


def decode(row: dict[str, Any]) -> str:
    if row.get("bad"):
        raise DecodeError("Sim HS1", "bad")
    return f"record of {row['sid']}"


class State(NamedTuple):
    sid: str
    status: str


ROWS = [{"sid": "HS1", "bad": True}, {"sid": "HS2"}]


def named(later: Later) -> list[Row]:
    states = [State("HS1", "active"), State("HS2", "new")]
    return list(named_page(RawPage(states, None), later).rows)


def test_a_page_as_documented_is_decoded_once_for_all_its_rows() -> None:
    asked: list[int] = []

    def at_once() -> RawPage:
        asked.append(1)
        return RawPage(["first", "second"], None)

    rows = named(Later(at_once, lambda: RawPage([], None), decode))
    assert [(row.sid, row.status) for row in rows] == [("HS1", "active"), ("HS2", "new")]
    assert [row.record() for row in reversed(rows)] == ["second", "first"]
    assert len(asked) == 1


def test_a_bad_row_spoils_no_other() -> None:
    bad, good = named(Later(lambda: None, lambda: RawPage(ROWS, None), decode))
    assert good.record() == "record of HS2"
    with pytest.raises(DecodeError):
        bad.record()
