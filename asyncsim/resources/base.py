"""Requests, responses and lists of one kind; the base of its typed methods."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from functools import cache, cached_property, wraps
from inspect import getmembers, iscoroutinefunction
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

from asyncsim.calls import Call
from asyncsim.context import ClientContext
from asyncsim.core.accepted import SeenRecords
from asyncsim.core.retry import Idempotency
from asyncsim.errors import DecodeError, NotFound, OutcomeUnknown, WrongResource
from asyncsim.events import ForeignPage
from asyncsim.http.content import make_body
from asyncsim.http.request import MAX_PAGE_BYTES, Request
from asyncsim.http.transport import Response, Reuse
from asyncsim.kind import Kind, is_same_sid
from asyncsim.resources.names import check_name
from asyncsim.resources.pages import OnBad, Page, Pager, check_list, page_of, turn_pages
from asyncsim.validation import looks_like_sid
from asyncsim.wire import fast, forms, json, records
from asyncsim.wire.pages import RawPage, decode_page, read_rows

T = TypeVar("T")
P = TypeVar("P", bound=RawPage)


class Resource(Generic[T]):
    """One kind at one client: builds requests, sends them, decodes responses.

    Typed methods, `update_many` and `asyncsim.bulk` use it; it is not for
    users.
    """

    seen: SeenRecords | None = None
    """Records known to exist, if waits need that: a replica may respond with 404 to some."""

    def __init__(self, context: ClientContext, kind: Kind[T]) -> None:
        self.context = context
        self.kind = kind

    def calling(self, verb: str) -> Call:
        """Build the frame of a public call of this kind, to be used in `with`."""
        return self.context.call(self.kind.product, f"{self.kind.key}.{verb}")

    # Requests.

    def request(
        self,
        method: str,
        verb: str,
        name: str | None = None,
        *,
        parent: str | None = None,
        **more: Any,
    ) -> Request:
        """Build a request; its errors begin with `verb` and the names: `update Sim HS...`."""
        kind = self.kind
        action = f"{verb} {kind.noun} {name}" if name else f"{verb} {kind.noun}"
        if kind.parent is not None:
            action += f" of {check_name(kind.parent, parent)}"
        path = path_of(kind, name, parent)
        template = kind.path if name is None else self._template
        return Request(method, kind.product, self._base, path, action, template, **more)

    @cached_property
    def _base(self) -> str:
        return self.context.base_url(self.kind.product)

    @cached_property
    def _template(self) -> str:
        return f"{self.kind.path}/{{sid}}"

    async def send(self, request: Request) -> Response:
        """Send a request; the first one opens the client."""
        sender = self.context.current_sender or await self.context.open()
        return await sender.send(request)

    # Responses.

    def parse(self, response: Response) -> T:
        """Read a record with any SID; `DecodeError` says what is wrong with it."""
        record = self._read_fast(response.body)
        if record is None:
            record = self.read_row(read_json(response, self.kind.noun))
        if self.seen is not None:
            self.seen.add(record)
        return record

    @cached_property
    def _read_fast(self) -> Callable[[bytes], T | None]:
        return fast.record_reader(self.kind.model, self.context.vendor)

    def read_row(self, row: Any) -> T:
        """Read a row that is JSON already, as leniently as `parse`."""
        record: T = records.decode(self.kind.model, row, self.context.vendor)
        return record

    def decode(self, response: Response, name: str) -> T:
        """Read the record of `name`; `WrongResource` if it has another SID than that."""
        try:
            record: Any = self.parse(response)
        except DecodeError as error:
            if name and error.sid is None:  # a response without a SID is about this one
                error.what = f"{self.kind.noun} {name}"
            raise
        if record.sid != name:
            self.check_sid(name, record.sid)
        checked: T = record
        return checked

    def decode_accepted(self, response: Response, name: str) -> T:
        """Read the response of a write.

        An unreadable response with the SID proves that the write was accepted.
        """
        try:
            try:
                return self.decode(response, name)
            except WrongResource:
                raise
            except DecodeError as error:
                error.accepted = self._sid_in(response)
                if error.accepted is not None:
                    self.check_sid(name, error.accepted)
                raise
        except WrongResource as wrong:
            wrong.outcome_unknown = True
            raise

    def check_sid(self, name: str, sid: str) -> None:
        """Raise `WrongResource` if `name` is a SID, and a response about it has another one."""
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

    # One record.

    async def fetch(
        self,
        name: str,
        *,
        parent: str | None = None,
        urgent: bool = False,
        no_retry: bool = False,
    ) -> T:
        """Fetch by SID or unique name."""
        check_name(self.kind, name)
        request = self.request(
            "GET", "fetch", name, parent=parent, urgent=urgent, no_retry=no_retry
        )
        return self.decode(await self.send(request), name)

    async def create(self, keywords: Mapping[str, Any], *, parent: str | None = None) -> T:
        """Send a create, without retries; `OutcomeUnknown` if its response was lost."""
        return await self.send_creation(self.creation(keywords, parent=parent))

    def creation(self, keywords: Mapping[str, Any], *, parent: str | None = None) -> Request:
        """Check a create and build its request."""
        what = f"{self.kind.key}.create()"
        forms.check(self.kind.create, keywords, what, self.context.vendor)
        return self.request(
            "POST",
            "create",
            parent=parent,
            body=make_body(forms.encode(self.kind.create, keywords)),
            # Neither vendor accepts an idempotency key: a second request would be a second SMS.
            idempotency=Idempotency.UNSAFE,
            reuse=Reuse.RECENT,
            look=f"look for it with {self.kind.key}.list() before you create it again",
            for_sim=keywords.get("sim") or "",
        )

    async def send_creation(self, request: Request) -> T:
        """Send a create; an unreadable response (a gateway's page) counts as lost."""
        response = await self.send(request)
        try:
            record = self.parse(response)
            sim = getattr(record, "sim_sid", None)
            if sim and looks_like_sid(request.for_sim) and not is_same_sid(sim, request.for_sim):
                raise WrongResource(request.for_sim, sim)
            return record
        except DecodeError as error:
            sid = self._sid_in(response)
            look = f"it was created as {sid}: fetch it" if sid else request.look
            raise OutcomeUnknown(request.operation, look) from error

    async def update(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send an update that is applied at once; applying it twice does no harm."""
        check_name(self.kind, name)
        what = f"{self.kind.key}.update()"
        forms.check(self.kind.update, changes, what, self.context.vendor)
        body = make_body(forms.encode(self.kind.update, changes))
        response = await self.send(self.request("POST", "update", name, body=body))
        return self.decode_accepted(response, name)

    async def delete(self, name: str, *, parent: str | None = None) -> None:
        """Delete by SID or unique name."""
        await self.send_deletion(self.deletion(name, parent=parent))

    def deletion(self, name: str, *, parent: str | None = None) -> Request:
        """Check a deletion and build its request."""
        check_name(self.kind, name)
        return self.request("DELETE", "delete", name, parent=parent)

    async def send_deletion(self, request: Request) -> None:
        """Send a deletion."""
        try:
            await self.send(request)
        except NotFound:
            if not request.in_doubt:  # else an earlier attempt, its response lost, deleted it
                raise

    # Lists.

    def list(
        self,
        filters: Mapping[str, Any],
        bad: OnBad = "raise",
        limit: int | None = None,
        *,
        parent: str | None = None,
    ) -> Pager[T]:
        """Check a list's filters; nothing is sent before the `Pager` is used."""
        check_list(bad, limit)
        vendor = self.context.vendor
        forms.check(self.kind.filters, filters, f"{self.kind.key}.list()", vendor)
        ceiling = self.kind.max_page_size(vendor)
        size = filters.get("page_size")
        if size is not None and not 1 <= size <= ceiling:
            raise ValueError(f"page_size={size}: a page has 1 to {ceiling} rows at {vendor.title}")
        if limit is not None:  # so that no more is read than wanted, in as few requests as possible
            filters = {"page_size": min(limit, ceiling), **filters}
        query = forms.encode(self.kind.filters, filters)
        self.request("GET", "list", parent=parent)  # raises errors now rather than when sent

        async def fetch(query: str) -> RawPage:
            with self.calling("list"):
                return await self._raw_page(query, parent=parent, read=self.read_page)

        async def pages() -> AsyncIterator[Page[T]]:
            async for raw in self._turn_pages(fetch, query):
                yield page_of(raw, bad, self.kind.model)

        async def first() -> Page[T]:
            return page_of(await fetch(query), bad, self.kind.model)

        return Pager(pages, first, what=f"{self.kind.product.label} {self.kind.key}", limit=limit)

    def read_page(self, response: Response) -> RawPage:
        """Read a page whose rows are records."""
        page = self._read_page_fast(response.body)
        if page is None:
            page = read_rows(self.parse_page(response), self.read_row)
        if self.seen is not None:
            for row in page.rows:
                self.seen.add(row)
        return page

    @cached_property
    def _read_page_fast(self) -> Callable[[bytes], RawPage | None]:
        return fast.page_reader(self.kind.model, self.kind.key, self.context.vendor)

    def parse_page(self, response: Response) -> RawPage:
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
        request = self.request(
            "GET", "list", parent=parent, query=query, urgent=urgent, max_bytes=MAX_PAGE_BYTES
        )
        return read(await self.send(request))

    def raw_pages(
        self,
        query: str,
        *,
        parent: str | None = None,
        urgent: bool = False,
        read: Callable[[Response], P],
    ) -> AsyncGenerator[P, None]:
        """Fetch page after page of a list, each read by `read`."""

        def fetch(query: str) -> Awaitable[P]:
            return self._raw_page(query, parent=parent, urgent=urgent, read=read)

        return self._turn_pages(fetch, query)

    def _turn_pages(
        self, fetch: Callable[[str], Awaitable[P]], query: str
    ) -> AsyncGenerator[P, None]:
        what = f"list of {self.kind.key}"
        return turn_pages(fetch, query, self._base, what, self._report_foreign)

    def _report_foreign(self, origin: str, expected: str) -> None:
        vendor, product = self.context.vendor.name, self.kind.product
        foreign = ForeignPage(origin=origin, expected=expected, vendor=vendor, product=product)
        self.context.notify(foreign)


R = TypeVar("R", bound=Resource[Any])


class Verbs(Generic[R]):
    """Base of `client.<product>.<kind>`: its typed methods.

    Observers see each public coroutine method as a call.
    """

    def __new__(cls, context: ClientContext) -> Self:
        """Choose a class whose calls are framed by events, if there are observers."""
        # The frame costs 1 % of a request (benchmarks/cases/observers.py), also if it only asks.
        chosen: type[Self] = _observed(cls) if context.observers else cls  # type: ignore[arg-type]  # classes are hashable
        return super().__new__(chosen)

    def __init__(self, resource: R) -> None:
        self.resource = resource
        """Internal: the machinery of the typed methods."""

    @property
    def kind(self) -> Kind[Any]:
        """The facts about this kind."""
        return self.resource.kind

    def __repr__(self) -> str:
        return f"<{self.kind.product.label} {self.kind.key} of {self.resource.context!r}>"


@cache
def _observed(kind: type[Any]) -> type[Any]:
    """Build the same class with the events of a public call around each of its coroutines."""
    verbs = {name: _framed(one) for name, one in getmembers(kind, iscoroutinefunction)}
    same = {name: getattr(kind, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(kind.__name__, (kind,), {**verbs, **same})


def _framed(verb: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Any]:
    @wraps(verb)
    async def call(self: Verbs[Any], *args: Any, **kwargs: Any) -> T:
        with self.resource.calling(verb.__name__):
            return await verb(self, *args, **kwargs)

    return call


def path_of(kind: Kind[Any], name: str | None, parent: str | None = None) -> str:
    """Build the path of a list or of one row; spaces and slashes in unique names are encoded."""
    path = kind.path if parent is None else kind.path.replace("{parent}", quote(parent, safe=""))
    if name is None:
        return path
    # Every SID is plain, and `quote` takes longer to find that out (benchmarks/cases/requests.py).
    plain = name.isalnum() and name.isascii()
    return f"{path}/{name if plain else quote(name, safe='')}"


def read_json(response: Response, what: str) -> Any:
    """Read a response's body as JSON; `DecodeError` shows how it starts."""
    try:
        return json.read(response.body)
    except ValueError:
        start = response.body[:80].decode("utf-8", "replace")
        raise DecodeError(what, f"not JSON (HTTP {response.status}): {start!r}") from None
