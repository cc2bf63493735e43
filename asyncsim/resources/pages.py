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
from typing import Any, Generic, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from attrs import field, frozen

from asyncsim.errors import DecodeError
from asyncsim.wire.pages import BadRecord, RawPage

T = TypeVar("T")
U = TypeVar("U")
P = TypeVar("P", bound=RawPage)

OnBad = Literal["raise", "skip"]
"""How iteration treats an unreadable row: raise its `DecodeError`, or skip it."""


def check_on_bad(on_bad: str) -> None:
    """Raise `ValueError` for anything but an `OnBad`."""
    if on_bad not in get_args(OnBad):
        raise ValueError(f"bad={on_bad!r}: must be 'raise' or 'skip'")


@frozen
class Page(Generic[T]):
    """One page of a list.

    Iterating gives its records, and raises `DecodeError` at the first row that cannot be read;
    after `list(..., bad="skip")` it skips such rows, as `items` always does.
    """

    items: tuple[T, ...]
    """The readable records."""
    has_next: bool
    """Whether the vendor named a next page."""
    bad: tuple[BadRecord, ...] = ()
    """The unreadable rows, in their order."""
    _stop: int | None = field(default=None, kw_only=True, repr=False, alias="stop")
    """The number of items before the row at which iterating raises."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items) if self._stop is None else self._items_then_error(self._stop)

    def _items_then_error(self, stop: int) -> Iterator[T]:
        yield from self.items[:stop]
        error = self.bad[0].error
        advice = "list(..., bad='skip') skips such rows"
        raise DecodeError(error.what, f"{error.reason}; {advice}", sid=error.sid) from error

    def __len__(self) -> int:
        return len(self.items)

    def convert(self, change: Callable[[tuple[T, ...]], tuple[U, ...]]) -> Page[U]:
        """Build a page of the results of `change` for the items."""
        if self._stop is None:
            return Page(change(self.items), self.has_next, self.bad)
        # In two parts, because a filter changes the number of items before the bad row.
        before, after = change(self.items[: self._stop]), change(self.items[self._stop :])
        return Page((*before, *after), self.has_next, self.bad, stop=len(before))


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


def page_of(raw: RawPage, on_bad: OnBad) -> Page[Any]:
    """Convert a page whose rows are records to a user's page."""
    # All rows before the first bad one are good, so its index is also a number of items.
    stop = raw.bad[0].index if raw.bad and on_bad == "raise" else None
    return Page(tuple(raw.rows), raw.next_page_url is not None, raw.bad, stop=stop)


class Pager(Generic[T]):
    """A list that has not been requested yet.

    `await` it for the first page, `async for` over it for every row, over `pages()` for pages.
    Each use sends its own requests; only one page is held at a time. A row that cannot be read
    does not affect others: `async for` raises its `DecodeError` after the rows before it, or skips
    it after `list(..., bad="skip")`; pages hold all readable rows, and the others in `bad`.
    """

    def __init__(
        self, pages: Callable[[], AsyncIterator[Page[T]]], first: Callable[[], Awaitable[Page[T]]]
    ) -> None:
        self._pages = pages
        self._first = first

    def __await__(self) -> Generator[object, None, Page[T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for item in page:
                yield item

    def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages."""
        return self._pages()

    def map(self, change: Callable[[T], U]) -> Pager[U]:
        """Build a list of the results of `change` for each row."""
        return self._converted(lambda items: tuple(map(change, items)))

    def where(self, keep: Callable[[T], bool]) -> Pager[T]:
        """Build a list of the rows for which `keep` is true; pages may be shorter, even empty."""
        return self._converted(lambda items: tuple(filter(keep, items)))

    def _converted(self, change: Callable[[tuple[T, ...]], tuple[U, ...]]) -> Pager[U]:
        async def pages() -> AsyncIterator[Page[U]]:
            async for page in self._pages():
                yield page.convert(change)

        async def first() -> Page[U]:
            return (await self._first()).convert(change)

        return Pager(pages, first)


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
