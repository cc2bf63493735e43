"""Rows of which only the SID is read, until somebody wants more."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.errors import DecodeError
from asyncsim.resources.rows import Later, NamedRow
from asyncsim.wire.pages import RawPage


def decode(row: dict[str, Any]) -> str:
    if row.get("bad"):
        raise DecodeError("Sim HS1", "bad")
    return f"record of {row['sid']}"


ROWS = [{"sid": "HS1", "bad": True}, {"sid": "HS2"}]


def test_a_page_as_documented_is_decoded_once_for_all_its_rows() -> None:
    asked: list[int] = []

    def at_once() -> RawPage:
        asked.append(1)
        return RawPage(["first", "second"], None)

    later = Later(at_once, lambda: RawPage([], None), decode)
    assert [NamedRow(str(place), place, later).record() for place in (1, 0)] == ["second", "first"]
    assert len(asked) == 1


def test_a_bad_row_spoils_no_other() -> None:
    later = Later(lambda: None, lambda: RawPage(ROWS, None), decode)
    assert NamedRow("HS2", 1, later).record() == "record of HS2"
    with pytest.raises(DecodeError):
        NamedRow("HS1", 0, later).record()
