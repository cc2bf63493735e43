"""The mechanics that all kinds share: build requests, decode answers, turn pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from asyncsim.context import ClientContext
from asyncsim.core.retry import Idempotency
from asyncsim.errors import DecodeError, NotFound, OutcomeUnknown, WrongResource
from asyncsim.events import ForeignPage
from asyncsim.http.request import MAX_PAGE_BYTES, Request
from asyncsim.http.transport import Response, Reuse, make_body
from asyncsim.kind import Kind, is_same_sid
from asyncsim.resources.names import check_name, path_of
from asyncsim.resources.pages import OnBad, Page, Pager, check_on_bad, page_of
from asyncsim.validation import looks_like_sid
from asyncsim.wire import fast, forms, json, records
from asyncsim.wire.pages import RawPage, decode_page, read_rows

T = TypeVar("T")
P = TypeVar("P", bound=RawPage)


class Resource(Generic[T]):
    """Base of all resources; a subclass names its kind and its verbs."""

    kind: Kind[Any]
    """Of the class; of one that can be awaited, with the final statuses of `Watching`."""

    def __init__(self, context: ClientContext) -> None:
        self.context = context

    def __repr__(self) -> str:
        return f"<{self.kind.product.label} {self.kind.key} of {self.context!r}>"

    def _request(
        self,
        method: str,
        verb: str,
        name: str | None = None,
        *,
        parent: str | None = None,
        **more: Any,
    ) -> Request:
        """Prepare a request; `verb` and the names word its errors: `update Sim HS...`."""
        kind = self.kind
        asked = f"{verb} {kind.noun} {name}" if name else f"{verb} {kind.noun}"
        if kind.parent is not None:
            asked += f" of {check_name(kind.parent, parent)}"
        return Request(method, kind.product, self._base, path_of(kind, name, parent), asked, **more)

    @cached_property
    def _base(self) -> str:
        return self.context.base(self.kind.product)

    @cached_property
    def _read_straight(self) -> Callable[[bytes], T | None]:
        model: type[T] = self.kind.model
        return fast.record_reader(model, self.context.vendor)

    def _read_row(self, row: Any) -> T:
        record: T = records.decode(self.kind.model, row, self.context.vendor)
        return record

    def _send(self, request: Request) -> Coroutine[Any, Any, Response]:
        sender = self.context.current_sender
        return self._open_and_send(request) if sender is None else sender.send(request)

    async def _open_and_send(self, request: Request) -> Response:
        sender = await self.context.open()
        return await sender.send(request)

    def _decode(self, response: Response) -> T:
        record = self._read_straight(response.body)
        if record is not None:
            return record
        return self._read_row(read_json(response, self.kind.noun))

    def _decode_own(self, response: Response, name: str) -> T:
        """Decode a response about `name`; `WrongResource` if it names another SID than that."""
        try:
            record: Any = self._decode(response)
        except DecodeError as error:
            if name and error.sid is None:  # a response that names none is about this one
                error.what = f"{self.kind.noun} {name}"
            raise
        if record.sid != name:
            self._meet(name, record.sid)
        checked: T = record
        return checked

    def _decode_accepted(self, response: Response, name: str) -> T:
        """Decode the response of a write.

        One that cannot be read, but names the SID, proves that the write was accepted.
        """
        try:
            try:
                return self._decode_own(response, name)
            except WrongResource:
                raise
            except DecodeError as error:
                error.accepted = self._sid_in(response)
                if error.accepted is not None:
                    self._meet(name, error.accepted)
                raise
        except WrongResource as wrong:
            wrong.outcome_unknown = True
            raise

    def _meet(self, name: str, sid: str) -> None:
        """Take note of the SID of what was asked for by this name."""
        if self.kind.is_sid(name) and not is_same_sid(sid, name):
            raise WrongResource(name, sid, noun=self.kind.noun)

    def _sid_in(self, response: Response) -> str | None:
        """Find the SID in a response that cannot be read otherwise."""
        try:
            found = json.loads(response.body)
        except ValueError:
            return None
        sid = found.get("sid") if isinstance(found, dict) else None
        return sid if isinstance(sid, str) and self.kind.is_sid(sid) else None

    async def _fetch(
        self,
        name: str,
        *,
        parent: str | None = None,
        urgent: bool = False,
        no_retry: bool = False,
    ) -> T:
        check_name(self.kind, name)
        request = self._request(
            "GET", "fetch", name, parent=parent, urgent=urgent, no_retry=no_retry
        )
        return self._decode_own(await self._send(request), name)

    async def _create(self, keywords: Mapping[str, Any], *, parent: str | None = None) -> T:
        """Send a create once: when its answer is lost, whether it was done is unknown."""
        return await self._send_once(self._creation(keywords, parent=parent))

    async def _send_once(self, request: Request) -> T:
        """Send a create; an answer that cannot be read (a gateway's page) is as good as lost."""
        response = await self._send(request)
        try:
            record = self._decode(response)
            _check_sim(request.for_sim, record)
            return record
        except DecodeError as error:
            sid = self._sid_in(response)
            look = f"it was created as {sid}: fetch that" if sid else request.look
            raise OutcomeUnknown(request.operation, look) from error

    def _creation(self, keywords: Mapping[str, Any], *, parent: str | None = None) -> Request:
        what = f"{self.kind.key}.create()"
        forms.check(self.kind.create, keywords, what, self.context.vendor)
        return self._request(
            "POST",
            "create",
            parent=parent,
            body=make_body(forms.encode(self.kind.create, keywords)),
            idempotency=Idempotency.UNSAFE,
            reuse=Reuse.RECENT,
            look=f"look for it with {self.kind.key}.list() before you create it again",
            for_sim=keywords.get("sim") or "",
        )

    async def _update(self, name: str, keywords: Mapping[str, Any]) -> T:
        """Send an update that is done when it is answered; doing it twice does no harm."""
        check_name(self.kind, name)
        forms.check(self.kind.update, keywords, f"{self.kind.key}.update()", self.context.vendor)
        body = make_body(forms.encode(self.kind.update, keywords))
        response = await self._send(self._request("POST", "update", name, body=body))
        return self._decode_accepted(response, name)

    async def _delete(self, name: str, *, parent: str | None = None) -> None:
        await self._send_deletion(self._deletion(name, parent=parent))

    def _deletion(self, name: str, *, parent: str | None = None) -> Request:
        check_name(self.kind, name)
        return self._request("DELETE", "delete", name, parent=parent)

    async def _send_deletion(self, request: Request) -> None:
        try:
            await self._send(request)
        except NotFound:
            if not request.in_doubt:  # else the attempt whose answer was lost has deleted it
                raise

    def _list(
        self, filters: Mapping[str, Any], bad: OnBad = "raise", *, parent: str | None = None
    ) -> Pager[T]:
        check_on_bad(bad)
        vendor = self.context.vendor
        forms.check(self.kind.filters, filters, f"{self.kind.key}.list()", vendor)
        ceiling = self.kind.page_ceiling(vendor)
        size = filters.get("page_size")
        if size is not None and not 1 <= size <= ceiling:
            raise ValueError(f"page_size={size}: a page has 1 to {ceiling} rows at {vendor.title}")
        query = forms.encode(self.kind.filters, filters)
        self._request("GET", "list", parent=parent)  # refuses now what could never be sent

        async def pages() -> AsyncIterator[Page[T]]:
            async for raw in self._raw_pages(query, parent=parent, read=self._record_page):
                yield page_of(raw, bad)

        async def first() -> Page[T]:
            raw = await self._raw_page(query, parent=parent, read=self._record_page)
            return page_of(raw, bad)

        return Pager(pages, first)

    @cached_property
    def _read_page_straight(self) -> Callable[[bytes], RawPage | None]:
        return fast.page_reader(self.kind.model, self.kind.key, self.context.vendor)

    def _record_page(self, response: Response) -> RawPage:
        """Read a page whose rows are records."""
        page = self._read_page_straight(response.body)
        if page is not None:
            return page
        return read_rows(self._plain_page(response), self._read_row)

    def _plain_page(self, response: Response) -> RawPage:
        """Read a page whose rows are JSON objects."""
        return decode_page(read_json(response, f"page of {self.kind.key}"), self.kind.key)

    async def _raw_page(
        self,
        query: str,
        *,
        parent: str | None = None,
        urgent: bool = False,
        read: Callable[[Response], P],
    ) -> P:
        request = self._request(
            "GET", "list", parent=parent, query=query, urgent=urgent, max_bytes=MAX_PAGE_BYTES
        )
        return read(await self._send(request))

    async def _raw_pages(
        self,
        query: str,
        *,
        parent: str | None = None,
        urgent: bool = False,
        read: Callable[[Response], P],
    ) -> AsyncGenerator[P, None]:
        """Turn pages by the query of `next_page_url` alone, on our own base URL and path.

        So a credential never goes to a host that an answer names, and gateways work.
        """
        foreign: set[str] = set()
        circle = _Circle(query)
        while True:
            page = await self._raw_page(query, parent=parent, urgent=urgent, read=read)
            yield page
            following = page.next_query
            if following is None:
                return
            if not following or circle.closes_at(following):
                raise DecodeError(f"list of {self.kind.key}", "its next page was there before")
            self._check_origin(page.next_origin, foreign)
            query = following

    def _check_origin(self, origin: str | None, foreign: set[str]) -> None:
        parts = urlsplit(self._base)
        expected = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if origin not in (None, expected, *foreign):
            foreign.add(str(origin))
            self.context.notify(ForeignPage(origin=str(origin), expected=expected))


def _check_sim(asked: str, record: Any) -> None:
    """Refuse the response of a create that names another SIM than the one it was for."""
    received = getattr(record, "sim_sid", None)
    if received and looks_like_sid(asked) and not is_same_sid(received, asked):
        raise WrongResource(asked, received)


class _Circle:
    """Notices a list whose next pages lead in a circle, remembering one page (Brent's method)."""

    def __init__(self, first: str) -> None:
        self._remembered = first
        self._steps = 0
        self._limit = 1

    def closes_at(self, query: str) -> bool:
        """Tell whether this page has been there; a circle is found after a few rounds at most."""
        if query == self._remembered:
            return True
        self._steps += 1
        if self._steps == self._limit:
            self._remembered, self._steps, self._limit = query, 0, self._limit * 2
        return False


def read_json(response: Response, what: str) -> Any:
    """Decode an answer's body; `DecodeError` shows how it starts."""
    try:
        return json.read(response.body)
    except ValueError:
        start = response.body[:80].decode("utf-8", "replace")
        raise DecodeError(what, f"not JSON (HTTP {response.status}): {start!r}") from None
