"""A job: which SIMs, from where, and what is asked of them."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any, Self, TypeVar

from attrs import field, frozen

from asyncsim.bulk import actions
from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.columns import ColumnRequest, is_known_heading, keyword_of
from asyncsim.bulk.input.files import CsvSource
from asyncsim.bulk.input.iterables import Items, ItemSource, check_items
from asyncsim.bulk.input.rows import RowReader
from asyncsim.bulk.input.source import Source
from asyncsim.suggestions import did_you_mean
from asyncsim.vendors import Product

E = TypeVar("E", bound=enum.StrEnum)
_PRODUCTS = (Product.SUPERSIM, Product.WIRELESS)


@frozen(kw_only=True)
class Job:
    """What is to be done to the SIMs of an input; made by `from_csv` or `from_rows`.

    Nothing is read before `bulk.run` does it.
    """

    action: Action
    product: Product
    change: Mapping[str, Any]
    """Keywords for every SIM; a row's own come on top."""
    source: Source = field(repr=False)
    columns: frozenset[str] | None = None
    """Keywords that are taken from columns of the input; None: all that it has, unless `change`
    says what is asked."""

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

        A row names its SIM by `sid`, `iccid` or `unique_name`, the first that is filled. Without
        `change`, all columns with a known name are applied (`status`, `fleet`, `rate_plan`, ...);
        with it, only those in `columns`. An empty cell asks for nothing. TypeError or ValueError
        for keywords that could not be sent.
        """
        verb, of = _parse(Action, action, "action"), _parse(Product, product, "product")
        source = CsvSource(
            target=path, is_known_heading=lambda heading: is_known_heading(heading, of, verb)
        )
        return cls._made(verb, of, change, columns, source)

    @classmethod
    def from_rows(
        cls,
        rows: Items,
        *,
        product: str,
        change: Mapping[str, Any] | None = None,
        columns: Collection[str] | None = None,
        action: str = "update",
    ) -> Self:
        """Take the SIMs from an iterable or async iterable: names, mappings or attrs records.

        Keys of mappings are what columns are in a file, and None clears a field. Of attrs records,
        as `sims.list()` gives them, only `columns` are applied.
        """
        check_items(rows)
        verb, of = _parse(Action, action, "action"), _parse(Product, product, "product")
        return cls._made(verb, of, change, columns, ItemSource(items=rows))

    @classmethod
    def _made(
        cls,
        action: Action,
        product: Product,
        change: Mapping[str, Any] | None,
        columns: Collection[str] | None,
        source: Source,
    ) -> Self:
        _check_offered(product, action)
        _check_change(product, action, change or {})
        if isinstance(columns, str):
            raise TypeError(f"columns={columns!r}: give a collection, such as [{columns!r}]")
        wanted = None
        if columns is not None:
            wanted = frozenset(keyword_of(one, product, action) for one in columns)
        return cls(
            action=action, product=product, change=dict(change or {}), source=source, columns=wanted
        )

    @property
    def label(self) -> str:
        """What messages call the input: the file's name, `standard input`, `rows`."""
        return self.source.label

    def read(self) -> RowReader:
        """Begin to read; JobError if the input can be read only once and has been."""
        request = ColumnRequest(
            product=self.product, action=self.action, given=self.change, columns=self.columns
        )
        return RowReader(self.source, request, self.change)

    def describe(self, rows: int | None = None) -> str:
        """Say in words what is asked of the SIMs, of how many if that is known."""
        sims = "SIMs" if rows is None else f"{rows:,} SIM{'' if rows == 1 else 's'}"
        return f"{self._asked()} {sims} of {self.product.label}"

    def _asked(self) -> str:
        from_columns = dict.fromkeys(sorted(self.columns or ()), "(its column)")
        given = actions.described({**self.change, **from_columns})
        match self.action:
            case Action.UPDATE:
                return f"{given or f'what {self.label} asks'} for"
            case Action.SEND:
                return f"send {given or f'the texts of {self.label}'} to"
            case _:
                return str(self.action)


def _parse(kind: type[E], given: str, what: str) -> E:
    known = [str(one) for one in (_PRODUCTS if kind is Product else kind)]
    if given in known:
        return kind(given)
    hint = did_you_mean(str(given), known, f"it is one of {', '.join(known)}")
    raise ValueError(f"{what}={given!r}: {hint}")


def _check_offered(product: Product, action: Action) -> None:
    if not actions.is_offered(product, action):
        others = [one.label for one in _PRODUCTS if actions.is_offered(one, action)]
        raise ValueError(f"action={str(action)!r} exists for {others[0]} only, not {product.label}")


def _check_change(product: Product, action: Action, change: Mapping[str, Any]) -> None:
    """Refuse keywords that could not be sent, all that is wrong with them at once."""
    if not isinstance(change, Mapping):
        raise TypeError(f"change must be a mapping of keywords, not {type(change).__name__}")
    faults = list(actions.faults(product, action, change))
    if faults:
        raise type(faults[0])("; ".join(map(str, faults)))
