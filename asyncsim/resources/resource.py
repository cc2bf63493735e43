"""The mechanics that all kinds share: build requests, decode answers, turn pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from asyncsim.connection import Connection
from asyncsim.errors import DecodeError, NotFound
from asyncsim.events import ForeignPage
from asyncsim.kind import Kind
from asyncsim.request import Request
from asyncsim.resources.names import check_name, path_of
from asyncsim.resources.pager import Page, Pager
from asyncsim.transport import Reply
from asyncsim.wire import forms, json, records
from asyncsim.wire.pages import RawPage, decode_page

T = TypeVar("T")


class Resource(Generic[T]):
    """Base of all resources; a subclass names its kind and its verbs."""

    kind: ClassVar[Kind[Any]]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<{self.kind.product.label} {self.kind.key} of {self._connection!r}>"

    def _request(self, method: str, verb: str, name: str | None = None, **more: Any) -> Request:
        """Prepare a request; `verb` and name word its errors: `update Sim HS...`."""
        path = self.kind.path if name is None else path_of(self.kind, name)
        return Request(
            method=method,
            product=self.kind.product,
            base=self._connection.base(self.kind.product),
            path=path,
            verb=f"{verb} {self.kind.noun}{'' if name is None else ' ' + name}",
            **more,
        )

    async def _send(self, request: Request) -> Reply:
        sender = await self._connection.open()
        return await sender.send(request)

    def _decode(self, reply: Reply) -> T:
        record: T = records.decode(
            self.kind.model, _json(reply, self.kind.noun), self._connection.vendor
        )
        return record

    async def _fetch(self, name: str, *, urgent: bool = False) -> T:
        check_name(self.kind, name)
        return self._decode(await self._send(self._request("GET", "fetch", name, urgent=urgent)))

    async def _delete(self, name: str) -> None:
        check_name(self.kind, name)
        request = self._request("DELETE", "delete", name)
        try:
            await self._send(request)
        except NotFound:
            if not request.lost:  # else the attempt whose answer was lost has deleted it
                raise

    def _list(self, filters: Mapping[str, Any]) -> Pager[T]:
        forms.check(self.kind.filters, filters, f"{self.kind.key}.list()")
        size = filters.get("page_size")
        if size is not None and not 1 <= size <= self.kind.largest_page:
            raise ValueError(f"page_size={size}: a page has 1 to {self.kind.largest_page} rows")
        query = forms.encode(self.kind.filters, filters)

        async def pages() -> AsyncIterator[Page[T]]:
            async for raw in self._raw_pages(query):
                yield self._page(raw)

        async def first() -> Page[T]:
            return self._page(await self._raw_page(query))

        return Pager(pages, first)

    def _page(self, raw: RawPage) -> Page[T]:
        vendor = self._connection.vendor
        rows = tuple(records.decode(self.kind.model, row, vendor) for row in raw.rows)
        return Page(rows, raw.next_page_url is not None)

    async def _raw_page(self, query: str, *, urgent: bool = False) -> RawPage:
        reply = await self._send(self._request("GET", "list", query=query, urgent=urgent))
        return decode_page(_json(reply, f"page of {self.kind.key}"), self.kind.key)

    async def _raw_pages(
        self, query: str, *, urgent: bool = False
    ) -> AsyncGenerator[RawPage, None]:
        """Turn pages by the query of `next_page_url` alone, on our own base URL and path.

        So a credential never goes to a host that an answer names, and gateways work.
        """
        foreign: set[str] = set()
        asked = {query}
        while True:
            page = await self._raw_page(query, urgent=urgent)
            yield page
            following = page.next_query
            if following is None:
                return
            if following in asked or not following:
                raise DecodeError(f"list of {self.kind.key}", "its next page was there before")
            asked.add(following)
            self._check_origin(page.next_origin, foreign)
            query = following

    def _check_origin(self, origin: str | None, foreign: set[str]) -> None:
        parts = urlsplit(self._connection.base(self.kind.product))
        expected = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if origin not in (None, expected, *foreign):
            foreign.add(str(origin))
            self._connection.tell(ForeignPage(origin=str(origin), expected=expected))


def _json(reply: Reply, what: str) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError:
        start = reply.body[:80].decode("utf-8", "replace")
        raise DecodeError(what, f"not JSON (HTTP {reply.status}): {start!r}") from None
