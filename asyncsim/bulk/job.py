"""Jobs: an input of SIMs, and the action for each."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from typing import Any, Self

from attrs import field, frozen

from asyncsim.bulk import actions
from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.columns import ColumnRequest, is_known_heading, keyword_of
from asyncsim.bulk.input.files import CsvSource
from asyncsim.bulk.input.frames import ArrowStream, rows_of_frame
from asyncsim.bulk.input.iterables import Items, ItemSource, check_items
from asyncsim.bulk.input.rows import RowReader
from asyncsim.bulk.input.source import Source
from asyncsim.suggestions import did_you_mean
from asyncsim.vendors import Product

_PRODUCTS = (Product.SUPERSIM, Product.WIRELESS)


@frozen(kw_only=True)
class Job:
    """An action for all SIMs of an input; created by `from_csv` or `from_rows`.

    The input is read by `bulk.run`, not before.
    """

    action: Action
    product: Product
    change: Mapping[str, Any]
    """Keywords for every SIM; a row's own override them."""
    source: Source = field(repr=False)
    columns: frozenset[str] | None = None
    """Keywords that are taken from columns of the input; None: all that it has, or none if
    `change` is given."""

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        *,
        product: str,
        change: Mapping[str, Any] | None = None,
        columns: Collection[str] | None = None,
        action: str = "update",
    ) -> Self:
        """Take the SIMs from a CSV file, or a bare list of ICCIDs or SIDs; `-`: standard input.

        A row names its SIM by `sid`, `iccid` or `unique_name`, the first non-empty one. Without
        `change`, all columns with a known name are applied (`status`, `fleet`, `rate_plan`, ...);
        with it, only those in `columns`. An empty cell changes nothing. TypeError or ValueError
        for keywords that cannot be sent.
        """

        def is_known(heading: str) -> bool:
            return is_known_heading(heading, Product(product), Action(action))

        source = CsvSource(target=path, is_known_heading=is_known)
        return cls._checked(source, product, change, columns, action)

    @classmethod
    def from_rows(
        cls,
        rows: Items | ArrowStream,
        *,
        product: str,
        change: Mapping[str, Any] | None = None,
        columns: Collection[str] | None = None,
        action: str = "update",
    ) -> Self:
        """Take the SIMs from an iterable or async iterable: names, mappings or attrs records.

        Keys of mappings correspond to columns of a file, and None clears a field. Of attrs records,
        as `sims.list()` yields them, only `columns` are applied. A data frame (polars, pandas,
        narwhals, or an Arrow stream) is read as a file is: a missing value changes nothing.
        ValueError if its ICCIDs are numbers.
        """
        if (frame := rows_of_frame(rows)) is not None:
            frame.check()
            rows = frame
        # The other fields of a record are the SIM's current state: applying them would send what
        # is set already, or undo what changed after the list was read.
        items = check_items(rows)
        return cls._checked(ItemSource(items=items), product, change, columns, action)

    @classmethod
    def _checked(
        cls,
        source: Source,
        product_name: str,
        change: Mapping[str, Any] | None,
        columns: Collection[str] | None,
        action_name: str,
    ) -> Self:
        """Check everything before the input is read; TypeError or ValueError."""
        # Here, not in `run`, so that a typo is found before a million rows are read.
        product = Product(_one_of(_PRODUCTS, product_name, "product"))
        action = Action(_one_of(Action, action_name, "action"))
        if not actions.is_offered(product, action):
            other = next(one for one in _PRODUCTS if actions.is_offered(one, action))
            only = f"{other.label} only, not {product.label}"
            raise ValueError(f"action={str(action)!r} is supported for {only}")
        if not isinstance(change or {}, Mapping):
            raise TypeError(f"change must be a mapping of keywords, not {type(change).__name__}")
        if faults := list(actions.check(product, action, change or {})):
            raise type(faults[0])("; ".join(map(str, faults)))  # report all of them
        if isinstance(columns, str):  # it would count as a collection of letters
            raise TypeError(f"columns={columns!r}: pass a collection, such as [{columns!r}]")
        wanted = None
        if columns is not None:
            wanted = frozenset(keyword_of(one, product, action) for one in columns)
        return cls(
            action=action, product=product, change=dict(change or {}), source=source, columns=wanted
        )

    @property
    def label(self) -> str:
        """The input's name in messages: the file's name, `standard input`, `rows`."""
        return self.source.label

    def read(self) -> RowReader:
        """Start a pass; JobError if the input can be read only once and has been."""
        request = ColumnRequest(
            product=self.product, action=self.action, given=self.change, columns=self.columns
        )
        return RowReader(self.source, request, self.change)

    def describe(self, rows: int | None = None) -> str:
        """Describe the action, and the number of SIMs if it is known."""
        from_columns = dict.fromkeys(sorted(self.columns or ()), "(its column)")
        given = actions.describe({**self.change, **from_columns})
        asked = str(self.action)
        if self.action is Action.UPDATE:
            asked = f"{given or f'what {self.label} asks'} for"
        elif self.action is Action.SEND:
            asked = f"send {given or f'the texts of {self.label}'} to"
        sims = "SIMs" if rows is None else f"{rows:,} SIM{'' if rows == 1 else 's'}"
        return f"{asked} {sims} of {self.product.label}"


def _one_of(known: Iterable[enum.StrEnum], given: str, what: str) -> str:
    names = [str(one) for one in known]
    if given not in names:
        hint = did_you_mean(str(given), names, f"it is one of {', '.join(names)}")
        raise ValueError(f"{what}={given!r}: {hint}")
    return given
