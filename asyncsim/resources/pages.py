"""Pages of a list: for users, and for sweeps, which read only SID and status of a row."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Sequence,
)
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, overload
from urllib.parse import urlsplit

from attrs import field, frozen

from asyncsim.errors import DecodeError
from asyncsim.wire.pages import BadRecord, RawPage

if TYPE_CHECKING:  # which of them is installed is the user's choice
    import pandas as pd  # pyright: ignore[reportMissingImports]
    import polars as pl  # pyright: ignore[reportMissingImports]

    from asyncsim.tables import Column

T = TypeVar("T")
U = TypeVar("U")
P = TypeVar("P", bound=RawPage)

OnBad = Literal["raise", "skip"]
"""How iteration treats an unreadable row: raise its `DecodeError`, or skip it."""


def check_list(on_bad: str, limit: int | None) -> None:
    """Raise `ValueError` for anything but an `OnBad`, and for a limit below 1."""
    if on_bad not in get_args(OnBad):
        raise ValueError(f"bad={on_bad!r}: must be 'raise' or 'skip'")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit={limit!r}: must be a whole number of records, 1 or more")


@frozen
class Page(Generic[T]):
    """One page of a list.

    Iterating gives its records, and raises `DecodeError` at the first row that cannot be read;
    after `list(..., bad="skip")` it skips such rows, as `items`, `len`, indexes and tables always
    do. A page is a table for polars, duckdb and narwhals: `polars.DataFrame(page)`.
    """

    items: tuple[T, ...]
    """The readable records."""
    has_next: bool
    """Whether the vendor named a next page."""
    bad: tuple[BadRecord, ...] = ()
    """The unreadable rows, in their order."""
    _stop: int | None = field(default=None, kw_only=True, repr=False, alias="stop")
    """The number of items before the row at which iterating raises."""
    _model: type[T] | None = field(default=None, kw_only=True, eq=False, repr=False, alias="model")
    """The records' class, which an empty page needs for its columns."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items) if self._stop is None else self._items_then_error(self._stop)

    def _items_then_error(self, stop: int) -> Iterator[T]:
        yield from self.items[:stop]
        error = self.bad[0].error
        advice = "list(..., bad='skip') skips such rows"
        raise DecodeError(error.what, f"{error.reason}; {advice}", sid=error.sid) from error

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        return self.items[place]

    def __repr__(self) -> str:
        from asyncsim import reprs

        return reprs.page_text(self)

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        return reprs.page_html(self)

    def convert(
        self, change: Callable[[tuple[T, ...]], tuple[U, ...]], model: type[U] | None
    ) -> Page[U]:
        """Build a page of the results of `change` for the items; `model` is their class."""
        if self._stop is None:
            return Page(change(self.items), self.has_next, self.bad, model=model)
        # In two parts, because a filter changes the number of items before the bad row.
        before, after = change(self.items[: self._stop]), change(self.items[self._stop :])
        items = (*before, *after)
        return Page(items, self.has_next, self.bad, stop=len(before), model=model)

    def first(self, count: int) -> Page[T]:
        """Build a page of at most the first `count` items."""
        if len(self.items) <= count:
            return self
        stop = None if self._stop is None or self._stop >= count else self._stop
        items = self.items[:count]
        return Page(items, self.has_next, self.bad, stop=stop, model=self._model)

    # Tables.

    @property
    def model(self) -> type[T] | None:
        """The records' class; None if it is not known."""
        return self._model or (type(self.items[0]) if self.items else None)

    @property
    def _columns(self) -> Sequence[Column]:
        from asyncsim import tables

        model: Any = self.model
        return () if model is None else tables.columns_of(model)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the records as dictionaries of their fields."""
        from asyncsim import tables

        return tables.to_dicts(self._columns, self.items)

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame: identifiers as text, times in UTC, status as categorical.

        Needs polars and the extra `frames`.
        """
        from asyncsim import tables

        return tables.to_polars(self._columns, self.items)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas frame: identifiers as text, times in UTC, status as categorical.

        Needs pandas; pyarrow is not needed.
        """
        from asyncsim import tables

        return tables.to_pandas(self._columns, self.items)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the records as an Arrow stream (PyCapsule interface); needs the extra `frames`."""
        from asyncsim import tables

        return tables.arrow_stream(self._columns, self.items, requested_schema)


async def turn_pages(
    fetch: Callable[[str], Awaitable[P]],
    query: str,
    base_url: str,
    what: str,
    report_foreign: Callable[[str, str], object],
) -> AsyncGenerator[P, None]:
    """Follow pages by the query of `next_page_url` only, on our own base URL and path.

    So credentials are never sent to a host named in a response, and gateways work.
    `report_foreign` is called with another origin, once, and ours.
    """
    base = urlsplit(base_url)
    expected = f"{base.scheme}://{base.netloc.rpartition('@')[2]}"
    reported: set[str | None] = {None, expected}
    # Brent's method detects next pages that lead in a circle, storing only one page.
    remembered, steps, limit = query, 0, 1
    while True:
        page = await fetch(query)
        yield page
        following = page.next_query
        if following is None:
            return
        if not following or following == remembered:
            raise DecodeError(what, "its next page was there before")
        steps += 1
        if steps == limit:
            remembered, steps, limit = following, 0, limit * 2
        origin = page.next_origin
        if origin not in reported:
            reported.add(origin)
            report_foreign(str(origin), expected)
        query = following


def page_of(raw: RawPage, on_bad: OnBad, model: type[Any]) -> Page[Any]:
    """Convert a page whose rows are records to a user's page."""
    # All rows before the first bad one are good, so its index is also a number of items.
    stop = raw.bad[0].index if raw.bad and on_bad == "raise" else None
    has_next = raw.next_page_url is not None
    return Page(tuple(raw.rows), has_next, raw.bad, stop=stop, model=model)


class Pager(Generic[T]):
    """A list that has not been requested yet.

    `await` it for the first page, `async for` over it for every row, over `pages()` for pages.
    Each use sends its own requests; only one page is held at a time. `list(limit=...)` ends it
    after that many records, and chooses the size of its pages. A row that cannot be read
    does not affect others: `async for` raises its `DecodeError` after the rows before it, or skips
    it after `list(..., bad="skip")`; pages hold all readable rows, and the others in `bad`.
    """

    def __init__(
        self,
        pages: Callable[[], AsyncIterator[Page[T]]],
        first: Callable[[], Awaitable[Page[T]]],
        *,
        what: str = "",
        limit: int | None = None,
    ) -> None:
        self._all_pages = pages
        self._all_of_first = first
        self._what = what
        self._limit = limit

    def __repr__(self) -> str:
        limit = "" if self._limit is None else f", at most {self._limit:,}"
        use = "await it for the first page, or use `async for`"
        return f"<Pager of {self._what}{limit}: nothing requested yet; {use}>"

    def __await__(self) -> Generator[object, None, Page[T]]:
        return self._first().__await__()

    async def _first(self) -> Page[T]:
        page = await self._all_of_first()
        return page if self._limit is None else page.first(self._limit)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages."""
        left = self._limit
        async for page in self._all_pages():
            if left is None:
                yield page
                continue
            yield (page := page.first(left))
            left -= len(page)
            if left == 0:
                return

    def map(self, change: Callable[[T], U], *, model: type[U] | None = None) -> Pager[U]:
        """Build a list of the results of `change` for each row.

        `model` is their class, which tables of an empty page need for their columns.
        """

        def convert(page: Page[T]) -> Page[U]:
            return page.convert(lambda items: tuple(map(change, items)), model)

        return self._converted(convert)

    def where(self, keep: Callable[[T], bool]) -> Pager[T]:
        """Build a list of the rows for which `keep` is true; pages may be shorter, even empty."""

        def convert(page: Page[T]) -> Page[T]:
            return page.convert(lambda items: tuple(filter(keep, items)), page.model)

        return self._converted(convert)

    def _converted(self, convert: Callable[[Page[T]], Page[U]]) -> Pager[U]:
        async def pages() -> AsyncIterator[Page[U]]:
            async for page in self.pages():
                yield convert(page)

        async def first() -> Page[U]:
            return convert(await self._first())

        return Pager(pages, first, what=self._what)

    # Tables.

    async def _whole(self) -> Page[T]:
        """Read all pages into one; `DecodeError` for a row that cannot be read, unless skipped."""
        items: list[T] = []
        model: type[Any] | None = None
        async for page in self.pages():
            items += page
            model = model or page.model
        return Page(tuple(items), has_next=False, model=model)

    async def to_dicts(self) -> list[dict[str, Any]]:
        """Read all pages, and return the records as dictionaries of their fields."""
        return (await self._whole()).to_dicts()

    async def to_polars(self) -> pl.DataFrame:
        """Read all pages into a polars frame, as `Page.to_polars` does."""
        return (await self._whole()).to_polars()

    async def to_pandas(self) -> pd.DataFrame:
        """Read all pages into a pandas frame, as `Page.to_pandas` does."""
        return (await self._whole()).to_pandas()


@frozen
class StatusRow:
    """The fields of a row that a sweep needs."""

    sid: str
    """Empty if the row has none: then it belongs to no wait."""
    status: str | None


@frozen
class StatusPage(RawPage):
    """A page whose rows are `StatusRow`s; a record is decoded only if it is wanted.

    For most rows, a sweep needs only to know whether the SIM is still pending
    (benchmarks/cases/pages.py, benchmarks/cases/growth.py).
    """

    # Per field: before attrs 25.4, `kw_only` of a class also applied to inherited fields.
    sources: Callable[[], Sequence[Any]] = field(kw_only=True)
    """Decodes all rows; called once, when the first record is needed."""
    decode: Callable[[Any], Any] = field(kw_only=True)

    @cached_property
    def _sources(self) -> Sequence[Any]:
        return self.sources()

    def record(self, place: int) -> Any:
        """Decode one row; a bad one does not affect others."""
        return self.decode(self._sources[place])
