"""Pages of which only SIDs and states are read, until somebody wants a record."""

from __future__ import annotations

import pytest

from asyncsim.errors import DecodeError
from asyncsim.resources.pages import StatusPage, StatusRow

STATES = [StatusRow("HS1", "active"), StatusRow("HS2", "new")]


def decode(row: str) -> str:
    if row == "bad":
        raise DecodeError("Sim HS1", "bad")
    return f"record of {row}"


def test_rows_are_sought_once_and_only_if_a_record_is_wanted() -> None:
    asked: list[int] = []

    def sources() -> list[str]:
        asked.append(1)
        return ["HS1", "HS2"]

    page = StatusPage(STATES, None, sources=sources, decode=decode)
    assert [(row.sid, row.status) for row in page.rows] == [("HS1", "active"), ("HS2", "new")]
    assert not asked
    assert [page.record(1), page.record(0)] == ["record of HS2", "record of HS1"]
    assert len(asked) == 1


def test_a_bad_row_spoils_no_other() -> None:
    page = StatusPage(STATES, None, sources=lambda: ["bad", "HS2"], decode=decode)
    assert page.record(1) == "record of HS2"
    with pytest.raises(DecodeError):
        page.record(0)
