"""Records as tables for Arrow, polars and pandas. Extra: `frames`.

Columns follow from the type hints of a record's class: identifiers are text and never numbers,
times are UTC, fields with documented values are categorical, nested values are JSON text. So an
empty table has the same columns and types as a full one.
"""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACES = 10  # of amounts; the vendors' prices have four

Type = Literal["text", "category", "json", "time", "integer", "number", "amount", "truth"]
_TYPES: dict[type, Type] = {
    str: "text",
    datetime: "time",
    int: "integer",
    float: "number",
    Decimal: "amount",
    bool: "truth",
}


@attrs.frozen
class Column:
    """A column of a table: a field of the records."""

    name: str
    type: Type
    categories: tuple[str, ...] = ()
    """Documented values; others may occur."""


@cache
def columns_of(model: type[Any]) -> tuple[Column, ...]:
    """Derive the columns of an attrs class; TypeError for other classes."""
    if not attrs.has(model):
        raise TypeError(f"a table needs records with fields, not {model.__name__} objects")
    hints = get_type_hints(model)
    # What is in no repr is in no table either: the value of a secret.
    return tuple(_column(one.name, hints[one.name]) for one in attrs.fields(model) if one.repr)


def _column(name: str, hint: Any) -> Column:
    is_union = get_origin(hint) in (Union, types.UnionType)
    options = [one for one in (get_args(hint) if is_union else (hint,)) if one is not type(None)]
    for option in options:
        if get_origin(option) is Literal:
            return Column(name, "category", get_args(option))
        if isinstance(option, type) and issubclass(option, enum.Enum):
            return Column(name, "category", tuple(str(one.value) for one in option))
    return Column(name, _TYPES.get(options[0], "json") if len(options) == 1 else "json")


def to_dicts(columns: Sequence[Column], records: Iterable[Any]) -> list[dict[str, Any]]:
    """Return records as dictionaries of their fields, nested ones too."""
    names = [column.name for column in columns]
    return [{name: _plain(getattr(record, name)) for name in names} for record in records]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return attrs.asdict(value) if attrs.has(type(value)) else value


def _values(column: Column, records: Iterable[Any]) -> list[Any]:
    values = [getattr(record, column.name) for record in records]
    match column.type:
        case "text" | "category":
            return [None if value is None else _text(value) for value in values]
        case "json":
            return [None if value is None else _text(_json(value)) for value in values]
        case "time":
            return [value and value.astimezone(UTC) for value in values]
        case _:
            return values


def _text(value: str) -> str:
    # `str`, because of enums. Half a surrogate pair, which JSON can hold, is no valid text.
    return str(value) if value.isascii() else value.encode(errors="replace").decode()


def _json(value: Any) -> str:
    return json.dumps(_plain(value), default=str, ensure_ascii=False)


def _categories(column: Column, values: Iterable[str | None]) -> Sequence[str]:
    """Documented values first, so that tables of the same kind have the same ones."""
    others = {value for value in values if value is not None}.difference(column.categories)
    return (*column.categories, *sorted(others))


# Arrow.


def arrow_stream(
    columns: Sequence[Column], records: Collection[Any], requested_schema: object = None
) -> object:
    """Export records as the capsule of an Arrow stream with one batch."""
    arrow = _nanoarrow()
    arrays = {}
    for column in columns:
        try:
            arrays[column.name] = _array(arrow, column, _values(column, records))
        except (ArithmeticError, ValueError) as error:
            reason = f"a value of {column.name} is too large for a table: use to_dicts()"
            raise ValueError(reason) from error
    table = arrow.c_array_from_buffers(
        arrow.struct({name: array.schema for name, array in arrays.items()}),
        length=len(records),
        buffers=[None],
        children=list(arrays.values()),
    )
    return arrow.c_array_stream(table).__arrow_c_stream__(requested_schema)


def _array(arrow: Any, column: Column, values: list[Any]) -> Any:
    """Build one array; nanoarrow cannot build dictionaries, so a category is text here."""
    match column.type:
        case "time":
            values = [None if one is None else (one - _EPOCH) // _MICROSECOND for one in values]
            return arrow.c_array(values, arrow.timestamp("us", timezone="UTC"))
        case "amount":
            scaled = [
                0 if one is None else int(round(one, _PLACES).scaleb(_PLACES)) for one in values
            ]
            present = arrow.c_array([one is not None for one in values], arrow.bool_())
            return arrow.c_array_from_buffers(
                arrow.decimal128(38, _PLACES),
                length=len(values),
                buffers=[
                    present.view().buffer(1),
                    b"".join(one.to_bytes(16, "little", signed=True) for one in scaled),
                ],
            )
        case "integer":
            return arrow.c_array(values, arrow.int64())
        case "number":
            return arrow.c_array(values, arrow.float64())
        case "truth":
            return arrow.c_array(values, arrow.bool_())
        case _:
            return arrow.c_array(values, arrow.string())


def _nanoarrow() -> Any:
    try:
        import nanoarrow
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Arrow tables need an extra; install it with: pip install "asyncsim[frames]"',
            name=error.name,
        ) from error
    return nanoarrow


# Frames.


@attrs.frozen(eq=False)
class ArrowTable:
    """Records as an object that exports an Arrow stream."""

    columns: Sequence[Column]
    records: Collection[Any]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the records."""
        return arrow_stream(self.columns, self.records, requested_schema)


def to_polars(columns: Sequence[Column], records: Collection[Any]) -> Any:
    """Build a polars frame."""
    polars = _library("polars", "pip install polars")
    categories = [one.name for one in columns if one.type == "category"]
    frame = polars.DataFrame(ArrowTable(columns, records))
    return frame.with_columns(polars.col(categories).cast(polars.Categorical))


_PANDAS = {
    "text": "string",
    "json": "string",
    "time": "datetime64[us, UTC]",
    "integer": "Int64",
    "number": "Float64",
    "amount": "object",
    "truth": "boolean",
}


def to_pandas(columns: Sequence[Column], records: Collection[Any]) -> Any:
    """Build a pandas frame, of types that have missing values."""
    # Not by Arrow: pandas reads it with pyarrow, which is large.
    pandas = _library("pandas", "pip install pandas")
    series = {}
    for column in columns:
        values = _values(column, records)
        dtype = (
            pandas.CategoricalDtype(_categories(column, values))
            if column.type == "category"
            else _PANDAS[column.type]
        )
        series[column.name] = pandas.Series(values, dtype=dtype)
    return pandas.DataFrame(series)


def _library(name: str, command: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"to_{name}() needs {name}: {command}", name=name) from error
