"""Rows of data frames: of polars and pandas, and of all that export an Arrow stream.

A frame is known by its methods, so none of these libraries is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from numbers import Number
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from asyncsim.bulk.input.columns import names_iccids
from asyncsim.bulk.input.identifiers import shortened
from asyncsim.bulk.input.source import ABSENT, CHUNK


@runtime_checkable
class ArrowStream(Protocol):
    """A table of any library that has the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows."""
        ...


@frozen(eq=False)
class FrameRows:
    """The rows of a frame, as mappings from column to value; may be read several times."""

    frame: Any

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if hasattr(self.frame, "itertuples"):
            return _pandas_rows(self.frame)
        if hasattr(self.frame, "iter_rows"):
            return map(_filled, self.frame.iter_rows(named=True))
        return map(_filled, self.frame.iter_py())

    def check(self) -> None:
        """Raise `ValueError` if ICCIDs have become numbers, or columns have the same name."""
        columns = list(getattr(self.frame, "columns", ()))
        if twice := {str(name) for name in columns if columns.count(name) > 1}:
            raise ValueError(f"the frame has several columns {', '.join(sorted(twice))}")
        numbers = (
            (name, value)
            for row in self
            for name, value in row.items()
            if names_iccids(str(name)) and isinstance(value, Number) and value == value
        )
        # As floats they have lost digits, and as integers they may have been floats before: the
        # job would change somebody else's SIMs.
        for name, value in numbers:
            raise ValueError(
                f"the column {name!r} holds numbers ({shortened(value)}), which may have lost"
                " digits of the ICCIDs; read it as text: pandas.read_csv(..., dtype=str) or"
                " polars.read_csv(..., infer_schema=False)"
            )


def rows_of_frame(items: Any) -> FrameRows | None:
    """Return the rows of a data frame; None for anything else."""
    if hasattr(items, "to_native"):  # narwhals has wrapped it
        items = items.to_native()
    if isinstance(items, ArrowStream) and not isinstance(items, Iterable):
        return FrameRows(_read_stream(items))
    # Frames are iterables of columns; other iterables have rows, and a `Page` has records.
    if hasattr(items, "itertuples") or hasattr(items, "iter_rows"):
        return FrameRows(items)
    return None


def _read_stream(table: ArrowStream) -> Any:
    """Read a stream, which may be read only once, into memory."""
    try:
        import nanoarrow
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the rows of a {type(table).__name__} need an extra; install it with:"
            ' pip install "asyncsim[frames]"',
            name=error.name,
        ) from error
    return nanoarrow.ArrayStream(table).read_all()


def _pandas_rows(frame: Any) -> Iterator[Mapping[str, Any]]:
    """Yield rows of a pandas frame, a chunk at a time, because each chunk is copied."""
    if any(name is not None for name in frame.index.names):  # after `set_index("iccid")`
        frame = frame.reset_index()
    names = tuple(frame.columns)
    for start in range(0, len(frame), CHUNK):
        part = frame.iloc[start : start + CHUNK]
        # pandas has several missing values: None, NaN, NA and NaT.
        part = part.astype(object).where(part.notna(), ABSENT)
        for values in part.itertuples(index=False, name=None):
            yield dict(zip(names, values, strict=True))


def _filled(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose missing values are empty cells; in a mapping, None clears a field."""
    return {name: ABSENT if value is None else value for name, value in row.items()}
