"""From records to rows: what names the SIM, what is asked for it, and whether it can be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from attrs import evolve

from asyncsim.bulk import actions
from asyncsim.bulk.actions import Action
from asyncsim.bulk.input import names
from asyncsim.bulk.input.asking import Asker
from asyncsim.bulk.input.columns import BARE, HeaderError, Wanted, arrange
from asyncsim.bulk.input.problems import Places, Problems
from asyncsim.bulk.input.sources import Record, Shape
from asyncsim.bulk.records import Naming, Row


class RowMaker:
    """Makes the rows of one reading; all it keeps is counts and a few examples."""

    def __init__(self, wanted: Wanted, change: Mapping[str, Any], problems: Problems) -> None:
        self.header: tuple[str, ...] | None = None
        self.columns = BARE
        self.rows = 0
        self.stopped = False
        """Whether the header is such that reading on makes no sense."""
        self.odd = Places(problems.unit)
        """ICCIDs whose last digit does not fit the others."""
        self.zeros = 0
        """Those of them that a spreadsheet seems to have rounded."""
        self._wanted = wanted
        self._kind = actions.kind_of(wanted.product)
        self._params = actions.keywords(wanted.product, wanted.action)
        self._change = change
        self._problems = problems
        self._shape: Shape | None = None
        self._sha = hashlib.sha256()
        self._asker = Asker(wanted, change)

    @property
    def digest(self) -> str:
        """SHA-256 over all rows so far."""
        return self._sha.hexdigest()

    def make(self, records: Sequence[Record], shape: Shape) -> list[Row]:
        """Make rows of records; those with problems are left out."""
        if self._shape is None:
            self._begin(shape)
        if self.stopped:
            return []
        rows = [row for record in records if (row := self._row(record)) is not None]
        self._digest(rows)
        return rows

    def _begin(self, shape: Shape) -> None:
        self._shape, self.header = shape, shape.header
        if shape.header is not None:
            self._wanted = evolve(self._wanted, shy=shape.shy)
            try:
                self.columns = arrange(shape.header, self._wanted)
            except HeaderError as error:
                self.stopped = True
                for text in error.problems:
                    self._problems.add(text)
                return
        self._asker.columns = self.columns
        self._check_anything_asked()

    def _check_anything_asked(self) -> None:
        """Tell once, not for each row, that nothing can be asked for any."""
        wanted = self._wanted
        given = {*self._change, *self.columns.applied}
        for keyword in actions.required(wanted.product, wanted.action):
            if keyword not in given:
                needs = f"{wanted.action} needs {keyword} for every SIM"
                self._problems.add(f"{needs}: {_remedy(keyword)}")
        if wanted.action is Action.UPDATE and not given:
            self._problems.add(f"nothing is asked for: {_remedy(', '.join(self._params))}")

    def _row(self, record: Record) -> Row | None:
        line, values = record
        self.rows += 1
        before = self._problems.count
        name, naming_ = self._name(line, values)
        asked = self._asker.asked_by(values, naming_)
        for text in asked.problems:
            self._problems.add(text, line)
        if self._problems.count > before:
            return None
        return Row(
            number=self.rows,
            line=line,
            name=name,
            naming=naming_,
            iccid=self._iccid_beside(values) if naming_ == "sid" else None,
            change=asked.change,
            cells=self._cells(values),
        )

    # Names.

    def _name(self, line: int, values: Sequence[Any]) -> tuple[str, Naming]:
        try:
            name, sort = self._checked_name(values)
        except ValueError as error:
            self._problems.add(str(error), line)
            return "", "sid"
        if sort == "iccid" and not names.has_check_digit(name):
            self.odd.add(line)
            self.zeros += names.ends_in_zeros(name)
        return name, sort

    def _checked_name(self, values: Sequence[Any]) -> tuple[str, Naming]:
        if self.header is None:
            return self._bare(_text(values[0]))
        for sort, place in self.columns.names:
            if text := _text(values[place]).strip():
                return names.CHECKS[sort](text, self._kind), sort
        raise ValueError("names no SIM")

    def _iccid_beside(self, values: Sequence[Any]) -> str | None:
        """The ICCID of a row that is named by its SID; None where it has none that is whole."""
        place = dict(self.columns.names).get("iccid")
        if place is None:
            return None
        try:
            return names.iccid(_text(values[place]).strip(), self._kind)
        except ValueError:
            return None

    def _bare(self, text: str) -> tuple[str, Naming]:
        sort = names.sort_of(text)
        if self._wanted.action is Action.REGISTER:
            sort = "iccid"
        if sort == "unique_name" and self._shape is not None and self._shape.only_sure:
            raise ValueError(
                f"{names.shown(text)} is neither an ICCID nor a SID;"
                " a list of unique names needs unique_name in its first line"
            )
        return names.CHECKS[sort](text, self._kind), sort

    # What is kept.

    def _cells(self, values: Sequence[Any]) -> tuple[str, ...] | None:
        if self.header is None and len(values) == 1:
            return None
        return tuple([v if isinstance(v, str) else "" if v is None else str(v) for v in values])

    def _digest(self, rows: Sequence[Row]) -> None:
        content = [[row.number, row.name, row.naming, row.change, row.cells] for row in rows]
        if content:  # without the brackets, so that it does not matter where chunks end
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            self._sha.update(text[1:-1].encode() + b",")


def _remedy(keywords: str) -> str:
    return f"give it for all rows, or in a column of that name ({keywords})"


def _text(value: object) -> str:
    """What names a SIM, as text; ValueError for what has lost digits."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        if value != value:  # NaN, as data frames mark what is missing
            return ""
        raise ValueError(f"{names.shown(value)} is a float, {names.FLOAT}")
    if isinstance(value, Integral) and not isinstance(value, bool):  # numpy's, too
        return str(value)
    raise ValueError(f"a SIM is named by text, not by {names.shown(value)}")
