"""Lists: awaitable for the first page, iterable for all rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")
U = TypeVar("U")


@frozen
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    has_next: bool
    """Whether the vendor said that there is another."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Pager(Generic[T]):
    """A list that has not been asked for yet.

    `await` it for the first page, `async for` over it for every row, over `pages()` for pages.
    Each use asks anew; only one page is held at a time.
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
        def changed(page: Page[T]) -> Page[U]:
            return Page(change(page.items), page.has_next)

        async def pages() -> AsyncIterator[Page[U]]:
            async for page in self._pages():
                yield changed(page)

        async def first() -> Page[U]:
            return changed(await self._first())

        return Pager(pages, first)

    def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over pages."""
        return self._pages()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self._pages():
            for item in page.items:
                yield item
