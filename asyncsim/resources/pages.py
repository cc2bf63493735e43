"""Lists: awaitable for the first page, iterable for all rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Generic, Literal, TypeVar, get_args

from attrs import field, frozen

from asyncsim.errors import DecodeError
from asyncsim.wire.pages import BadRecord, RawPage

T = TypeVar("T")
U = TypeVar("U")

OnBad = Literal["raise", "skip"]
"""What iterating does at a row that cannot be read: raise its `DecodeError`, or go on past it."""


@frozen
class Page(Generic[T]):
    """One page of a list.

    Iterating gives its records, and raises `DecodeError` where a row stood that cannot be read;
    after `list(..., bad="skip")` it gives those that can be read, as `items` always does.
    """

    items: tuple[T, ...]
    """The records that can be read."""
    has_next: bool
    """Whether the vendor said that there is another."""
    bad: tuple[BadRecord, ...] = ()
    """The rows that cannot be read, in their order."""
    _stop: int | None = field(default=None, kw_only=True, repr=False, alias="stop")
    """How many items stand before the row at which iterating raises."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items) if self._stop is None else self._up_to_the_bad_one(self._stop)

    def _up_to_the_bad_one(self, stop: int) -> Iterator[T]:
        yield from self.items[:stop]
        error = self.bad[0].error
        advice = "list(..., bad='skip') goes on past it"
        raise DecodeError(error.what, f"{error.reason}; {advice}", sid=error.sid) from error

    def __len__(self) -> int:
        return len(self.items)

    def _through(self, change: Callable[[tuple[T, ...]], tuple[U, ...]]) -> Page[U]:
        if self._stop is None:
            return Page(change(self.items), self.has_next, self.bad)
        before, after = change(self.items[: self._stop]), change(self.items[self._stop :])
        return Page((*before, *after), self.has_next, self.bad, stop=len(before))


def page_of(raw: RawPage, on_bad: OnBad) -> Page[Any]:
    """Make a page for users of one whose rows are records."""
    # All rows before the first bad one are good.
    stop = raw.bad[0].index if raw.bad and on_bad == "raise" else None
    return Page(tuple(raw.rows), raw.next_page_url is not None, raw.bad, stop=stop)


def check_on_bad(on_bad: str) -> None:
    """Refuse a word that is none."""
    if on_bad not in get_args(OnBad):
        raise ValueError(f"bad={on_bad!r}: 'raise' or 'skip'")


class Pager(Generic[T]):
    """A list that has not been asked for yet.

    `await` it for the first page, `async for` over it for every row, over `pages()` for pages.
    Each use asks anew; only one page is held at a time. A row that cannot be read spoils no other:
    `async for` raises its `DecodeError` after the rows before it, or goes on past it if the list
    was asked for with `bad="skip"`; pages come with all that can be read, and the rest in `bad`.
    """

    def __init__(
        self, pages: Callable[[], AsyncIterator[Page[T]]], first: Callable[[], Awaitable[Page[T]]]
    ) -> None:
        self._pages = pages
        self._first = first

    def __await__(self) -> Generator[object, None, Page[T]]:
        return self._first().__await__()

    def map(self, change: Callable[[T], U]) -> Pager[U]:
        """Build a list of what `change` makes of each row."""
        return self._through(lambda items: tuple(map(change, items)))

    def where(self, keep: Callable[[T], bool]) -> Pager[T]:
        """Build a list of the rows that `keep` is true of; pages come out shorter, even empty."""
        return self._through(lambda items: tuple(filter(keep, items)))

    def _through(self, change: Callable[[tuple[T, ...]], tuple[U, ...]]) -> Pager[U]:
        async def pages() -> AsyncIterator[Page[U]]:
            async for page in self._pages():
                yield page._through(change)

        async def first() -> Page[U]:
            return (await self._first())._through(change)

        return Pager(pages, first)

    def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages."""
        return self._pages()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for item in page:
                yield item
