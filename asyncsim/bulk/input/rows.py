"""Rows of a job: records of the input, with the SIM's name and its change checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from numbers import Integral
from typing import Any

from attrs import evolve, frozen

from asyncsim.bulk import actions
from asyncsim.bulk.actions import Action
from asyncsim.bulk.input import identifiers
from asyncsim.bulk.input.columns import (
    NO_COLUMNS,
    ColumnRequest,
    Columns,
    HeaderError,
    parse_header,
)
from asyncsim.bulk.input.source import LineNumbers, Problems, Record, Shape, Source
from asyncsim.bulk.records import Naming, Row
from asyncsim.wire.forms import Param

_CACHED_CHANGES = 10_000  # combinations of values; a file of unique names has a new one in each row
_RAW_TEXT = frozenset({"payload", "command"})  # blanks in a text message are part of it


class RowReader:
    """One pass over the input: rows in batches, and their statistics after the last one.

    A problem does not end the pass, so that all of them are found at once.
    """

    def __init__(self, source: Source, request: ColumnRequest, change: Mapping[str, Any]) -> None:
        self.problems = Problems(source.unit)
        """Problems of the input; complete after the last batch."""
        self.path = source.path
        """Absolute path of the input, if it is a file."""
        self._label = source.label
        self._reader = source.open(self.problems)
        self._builder = RowBuilder(request, change, self.problems)

    async def batches(self) -> AsyncGenerator[list[Row], None]:
        """Yield up to 1,000 rows at once; rows with problems are left out."""
        try:
            while (rows := await self._reader.read(self._builder.build)) is not None:
                if rows:
                    yield rows
                if self._builder.stopped:
                    break
        finally:
            self._reader.close()
        if not self._builder.rows and not self.problems:
            self.problems.add(f"{self._label} names no SIM")

    @property
    def header(self) -> tuple[str, ...] | None:
        """Headings of the input; None if it has only names."""
        return self._builder.header

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that are taken from columns, known after the first batch."""
        return self._builder.columns.applied

    @property
    def digest(self) -> str:
        """SHA-256 over number, name, change and cells of all rows, after the last batch."""
        return self._builder.sha256.hexdigest()

    @property
    def rows(self) -> int:
        """Rows read so far, including those with problems."""
        return self._builder.rows

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings: suspicious, but not a problem."""
        builder, odd = self._builder, self._builder.wrong_check_digits
        notes = builder.columns.notes
        if (unusable := builder.unusable_iccids).count:
            iccids = "1 ICCID" if unusable.count == 1 else f"{unusable.count:,} ICCIDs"
            beside = f"{iccids} beside a SID cannot be used, {unusable}: only the SID counts"
            notes = (beside, *notes)
        if not odd.count:
            return notes
        zeros = f"; {builder.zeros:,} of them end in zeros, as rounded numbers do"
        note = (
            f"{odd.count:,} ICCID{'s' if odd.count > 1 else ''} with a wrong check digit,"
            f" {odd}{zeros if builder.zeros else ''}; they are looked up unchanged"
        )
        return (note, *notes)


class RowBuilder:
    """Builds the rows of one pass; of a million rows it keeps counts and a few examples only."""

    def __init__(
        self, request: ColumnRequest, change: Mapping[str, Any], problems: Problems
    ) -> None:
        self.header: tuple[str, ...] | None = None
        self.columns = NO_COLUMNS
        self.rows = 0
        self.stopped = False
        """The header cannot be used, so reading stops."""
        self.wrong_check_digits = LineNumbers(problems.unit)
        """A warning, not a problem: some manufacturers' ICCIDs have no check digit."""
        self.unusable_iccids = LineNumbers(problems.unit)
        """ICCIDs beside a SID that cannot be compared with those of the SIM."""
        self.zeros = 0
        """How many of them look rounded by a spreadsheet."""
        self.sha256 = hashlib.sha256()
        self._request = request
        self._kind = actions.kind_of(request.product)
        self._change = change
        self._problems = problems
        self._shape: Shape | None = None
        self._changes = ChangeReader(request, change, NO_COLUMNS)

    def build(self, records: Sequence[Record], shape: Shape) -> list[Row]:
        """Build rows from records; those with problems are left out."""
        if self._shape is None:
            self._begin(shape)
        if self.stopped:
            return []
        rows = [row for record in records if (row := self._row(record)) is not None]
        content = [[row.number, row.name, row.naming, row.change, row.cells] for row in rows]
        # A resumed job compares it: the input must be the one that the journal began with.
        if content:  # without the brackets, so that chunk borders do not matter
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            self.sha256.update(text[1:-1].encode() + b",")
        return rows

    def _begin(self, shape: Shape) -> None:
        """Read the header, and report once, not for each row, that it defines no change."""
        self._shape, self.header = shape, shape.header
        if shape.header is not None:
            self._request = evolve(self._request, vendor_columns=shape.vendor_columns)
            try:
                self.columns = parse_header(shape.header, self._request)
            except HeaderError as error:
                self.stopped = True
                for text in error.problems:
                    self._problems.add(text)
                return
        self._changes = ChangeReader(self._request, self._change, self.columns)
        # An insufficient header would otherwise be one problem for each of a million rows.
        product, action = self._request.product, self._request.action
        remedy = "give it for all rows, or in a column of that name"
        given = {*self._change, *self.columns.applied}
        for keyword in actions.required(product, action):
            if keyword not in given:
                needs = f"{action} needs {keyword} for every SIM"
                self._problems.add(f"{needs}: {remedy} ({keyword})")
        if action is Action.UPDATE and not given:
            known = ", ".join(actions.keywords(product, action))
            self._problems.add(f"no change is given: {remedy} ({known})")

    def _row(self, record: Record) -> Row | None:
        line, values = record
        self.rows += 1
        before = self._problems.count
        name = ""
        naming: Naming = "sid"
        try:
            name, naming = self._name(values)
        except ValueError as error:
            self._problems.add(str(error), line)
        if naming == "iccid" and not identifiers.has_valid_check_digit(name):
            self.wrong_check_digits.add(line)
            self.zeros += identifiers.ends_in_zeros(name)
        change = self._changes.read(values, naming)
        for text in change.problems:
            self._problems.add(text, line)
        if self._problems.count > before:
            return None
        cells = tuple([v if isinstance(v, str) else "" if v is None else str(v) for v in values])
        return Row(
            number=self.rows,
            line=line,
            name=name,
            naming=naming,
            # Checked against the SID by the planning pass: both have to name one SIM.
            iccid=self._iccid_beside_sid(line, values) if naming == "sid" else None,
            change=change.keywords,
            cells=None if self.header is None and len(values) == 1 else cells,
        )

    def _name(self, values: Sequence[Any]) -> tuple[str, Naming]:
        """Return the name of a record's SIM; ValueError says why there is none."""
        if self.header is not None:
            for naming, place in self.columns.names:
                if text := _name_text(values[place]).strip():
                    return identifiers.PARSERS[naming](text, self._kind), naming
            raise ValueError("names no SIM")
        text = _name_text(values[0])
        naming = identifiers.guess_naming(text)
        if self._request.action is Action.REGISTER:
            naming = "iccid"  # the only name of a card before it is registered
        if naming == "unique_name" and self._shape is not None and self._shape.strict_names:
            # In a bare list, a word is more likely an unknown heading or a typo.
            raise ValueError(
                f"{identifiers.shortened(text)} is neither an ICCID nor a SID;"
                " a list of unique names needs unique_name in its first line"
            )
        return identifiers.PARSERS[naming](text, self._kind), naming

    def _iccid_beside_sid(self, line: int, values: Sequence[Any]) -> str | None:
        """Return the ICCID of a row that is named by its SID; None if it has no intact one."""
        place = dict(self.columns.names).get("iccid")
        if place is None:
            return None
        try:
            text = _name_text(values[place]).strip()
            return identifiers.parse_iccid(text, self._kind) if text else None
        except ValueError:  # it only checks the SID: a rounded one is no reason to reject the row
            self.unusable_iccids.add(line)
            return None


@frozen
class RowChange:
    """A row's own change, which overrides the job's, and its problems."""

    keywords: Mapping[str, Any] | None
    problems: tuple[str, ...] = ()


_NO_CHANGE = RowChange(None)


class ChangeReader:
    """Reads the change of a row from the columns that are applied.

    Most rows of a file request the same few changes, so a checked change is cached, and rows
    share one mapping: a million rows do not need a million.
    """

    def __init__(self, request: ColumnRequest, change: Mapping[str, Any], columns: Columns) -> None:
        self._request = request
        self._change = change
        self._columns = columns
        self._params = actions.keywords(request.product, request.action)
        self._cache: dict[tuple[object, ...], RowChange] = {}

    def read(self, values: Sequence[Any], naming: Naming) -> RowChange:
        """Return the change in the values of a row; `naming` is the kind of name of its SIM."""
        if not self._columns.changes:
            return _NO_CHANGE
        try:
            plain = [_sendable(values[place]) for _, place in self._columns.changes]
        except ValueError as error:
            return RowChange(None, (str(error),))
        by_name = naming == "unique_name"
        key = (by_name, *plain)
        if (change := self._cache.get(key)) is None:
            if len(self._cache) >= _CACHED_CHANGES:
                self._cache.clear()
            change = self._cache[key] = self._check(plain, by_name=by_name)
        return change

    def _check(self, values: Sequence[str | None], *, by_name: bool) -> RowChange:
        own: dict[str, Any] = {}
        for (keyword, place), value in zip(self._columns.changes, values, strict=True):
            if by_name and place == self._columns.renaming:
                continue  # the cell is the SIM's name, not a new one
            cleaned = _clean(self._params[keyword], value)
            if cleaned != "":
                own[keyword] = cleaned
        merged = {**self._change, **own}
        product, action = self._request.product, self._request.action
        problems = [str(error) for error in actions.check(product, action, merged)]
        missing = [one for one in actions.required(product, action) if one not in merged]
        problems += [f"{keyword} is empty" for keyword in missing]
        if not merged and not missing:
            applied = self._columns.applied
            are = "is" if len(applied) == 1 else "are"
            problems.append(f"no change is given: {' and '.join(applied)} {are} empty")
        return RowChange(own or None, tuple(problems))


def _sendable(value: object) -> str | None:
    """Return a value in the form that is sent: text, or None to clear."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:  # NaN: missing, in data frames
        return ""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{identifiers.shortened(value)} cannot be sent; pass text")


def _clean(param: Param, value: str | None) -> str | None:
    """Remove blanks and spreadsheet marks from a value."""
    if value is None:
        return None
    text = value.strip()
    if param.keyword in _RAW_TEXT:
        return value if text else ""
    if text.lower() == actions.CLEAR:
        return None
    if param.keyword == "registration_code":
        return identifiers.strip_text_marks(text)
    # The vendors' values are case-sensitive, people's spelling is not: `Active`, `get`.
    spellings = {choice.lower(): choice for choice in param.choices or ()}
    return spellings.get(text.lower(), text)


def _name_text(value: object) -> str:
    """Return a SIM's name as text; ValueError for a value that has lost digits."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        if value != value:  # NaN
            return ""
        raise ValueError(f"{identifiers.shortened(value)} is a float, {identifiers.FLOAT_DIGITS}")
    if isinstance(value, Integral) and not isinstance(value, bool):  # numpy's, too
        return str(value)
    raise ValueError(f"a SIM is named by text, not by {identifiers.shortened(value)}")
