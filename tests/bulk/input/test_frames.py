from __future__ import annotations

import sys
from collections.abc import Sequence

import nanoarrow
import pytest

from asyncsim.bulk import Job
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, read_rows


class Table:
    """An Arrow table, as those that are no iterables of rows."""

    def __init__(self, **columns: Sequence[str | int | None]) -> None:
        arrays = {
            name: nanoarrow.c_array(
                values, nanoarrow.int64() if isinstance(values[0], int) else nanoarrow.string()
            )
            for name, values in columns.items()
        }
        self._array = nanoarrow.c_array_from_buffers(
            nanoarrow.struct({name: array.schema for name, array in arrays.items()}),
            length=len(next(iter(columns.values()))),
            buffers=[None],
            children=list(arrays.values()),
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return nanoarrow.c_array_stream(self._array).__arrow_c_stream__(requested_schema)


async def test_an_arrow_table_is_read_as_a_file_is() -> None:
    found = await read_rows(
        Table(iccid=[ICCID, OTHER], Status=["Active", "active"], fleet=["spare", None])
    )
    assert found.problems == []
    assert found.names == [(1, "iccid", ICCID), (2, "iccid", OTHER)]
    # Not None, which would clear the Fleet.
    assert found.changes == [{"fleet": "spare", **ACTIVE}, ACTIVE]


def test_iccids_that_have_become_numbers_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"'SIM ICCID' holds numbers .*dtype=str"):
        Job.from_rows(Table(**{"SIM ICCID": [int(ICCID)]}), product="supersim", change=ACTIVE)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(iccid=[ICCID])
    monkeypatch.setitem(sys.modules, "nanoarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "asyncsim\[frames\]"'):
        Job.from_rows(table, product="supersim", change=ACTIVE)
