"""Gateway between the client and the vendor: it records every request, and injects faults.

Everything that a gateway, a proxy or an old replica may do to a request: lost requests, lost
responses, pages of HTML, errors that are not the vendor's, old copies of records.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from attrs import define, field, frozen
from yarl import URL

PORT = 8800
NO_PROCESS = "a task of no process"
_HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
_LONGEST_HOLD = 2.0
"""Seconds; shorter than any timeout of the client, which so knows of every late request."""


@frozen(kw_only=True)
class GatewayFaults:
    """Probabilities per request, from 0 to 1."""

    lost: float = 0.0
    """The request never reaches the vendor; the connection is closed."""
    cut: float = 0.0
    """Carried out, and the response is lost."""
    torn: float = 0.0
    """Carried out, and the connection is closed in the middle of the response."""
    gateway: float = 0.0
    """A 502 or 504 in HTML; half of the requests were carried out."""
    page: float = 0.0
    """Of reads: a page of HTML with status 200."""
    old: float = 0.0
    """Of reads: a copy that is up to `lag` seconds old."""
    lag: float = 4.0
    held: float = 0.0
    """The request is held for up to two seconds before it reaches the vendor."""
    late: float = 0.0
    """The response is held for up to two seconds."""


NO_FAULTS = GatewayFaults()


@define(kw_only=True)
class Exchange:
    """One request as the gateway saw it."""

    number: int
    arrived: float
    method: str
    path: str
    """From the product on: `/v1/Sims/HS...`."""
    product: str
    query: dict[str, str]
    form: dict[str, str]
    passed_on: float | None = None
    """When it was sent to the vendor."""
    carried_out: int | None = None
    """Status of the vendor's own response; None: the vendor never responded."""
    responded: float | None = None
    body: Any = None
    """Body of the vendor's own response."""
    returned: float | None = None
    status: int | None = None
    """Status of the response that the client got; None: none, or not all of it."""
    shown: Any = None
    """Body of the response that the client got."""
    pause: str | None = None
    """The vendor's `Retry-After`."""
    old: bool = False
    sender: str = ""
    """The process that has sent it; empty if the connection is closed already."""

    @property
    def sid(self) -> str | None:
        """The SIM in its path."""
        last = self.path.rpartition("/")[2]
        return last if len(last) == 34 else None


@define(eq=False, slots=False)
class Gateway:
    """A gateway on a port of its own; never killed, often unreachable."""

    vendor: str
    upstream: str
    seed: int
    now: Callable[[], float]
    record_at: Callable[[str, float], Mapping[str, Any] | None]
    """The fields of a SIM at a time."""
    on_post: Callable[[str, Exchange], object] = lambda what, exchange: None
    """Called with `post` before the vendor gets a POST, with `posted` after it has responded."""
    faults: GatewayFaults = NO_FAULTS
    log: list[Exchange] = field(factory=list)
    _rng: dict[str, random.Random] = field(factory=dict)

    async def serve(self) -> None:
        """Open the port and forward requests."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=60.0),
        ) as self._session:
            # Else aiohttp would retry a read or a deletion by itself; there is no setting for it.
            self._session._retry_connection = False
            await asyncio.Event().wait()

    def _hits(self, what: str) -> bool:
        rng = self._rng.setdefault(what, random.Random(f"{self.seed} gateway {what}"))
        chance: float = getattr(self.faults, what)
        return rng.random() < chance

    def _uniform(self, what: str, most: float) -> float:
        return self._rng.setdefault(what, random.Random(f"{self.seed} gateway {what}")).uniform(
            0, most
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        exchange = self._record_request(request, body)
        if self._hits("held"):
            await asyncio.sleep(self._uniform("hold", _LONGEST_HOLD))
        if exchange.method == "POST":
            self.on_post("post", exchange)
        if self._hits("lost"):
            return self._disconnect(request)
        gateway = self._hits("gateway")
        reads = exchange.method == "GET"
        if (gateway and self._uniform("share", 1.0) < 0.5) or (reads and self._hits("page")):
            return self._respond(request, exchange, 502 if gateway else 200, _HTML, "text/html")
        found = await self._forward(request, exchange, body)
        if exchange.method == "POST":
            self.on_post("posted", exchange)
        if self._hits("late"):
            await asyncio.sleep(self._uniform("hold", _LONGEST_HOLD))
        if found is None or gateway:
            return self._respond(
                request, exchange, 502 if found is None else 504, _HTML, "text/html"
            )
        if self._hits("cut"):
            return self._disconnect(request)
        status, content, kind = found
        if reads and status == 200:
            content = self._maybe_old(exchange, content)
        if self._hits("torn"):
            return await self._send_half(request, status, content)
        return self._respond(request, exchange, status, content, kind)

    def _record_request(self, request: web.BaseRequest, body: bytes) -> Exchange:
        target = urlsplit(request.raw_path)
        _, _, product, *rest = target.path.split("/", 3)
        exchange = Exchange(
            number=len(self.log) + 1,
            arrived=self.now(),
            method=request.method,
            path="/" + "/".join(rest),
            product=product,
            query=_flat(target.query),
            form=_flat(body.decode()),
            sender=_sender_of(request),
        )
        self.log.append(exchange)
        return exchange

    async def _forward(
        self, request: web.BaseRequest, exchange: Exchange, body: bytes
    ) -> tuple[int, bytes, str] | None:
        """The vendor's response; None if it is not reachable."""
        kept = ("Authorization", "Content-Type", "Accept")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        exchange.passed_on = self.now()
        try:
            async with self._session.request(
                request.method,
                URL(self.upstream + request.raw_path, encoded=True),
                data=body or None,
                headers=headers,
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return None
        exchange.carried_out, exchange.responded = response.status, self.now()
        exchange.body = _plain(content)
        exchange.pause = response.headers.get("Retry-After")
        return response.status, content, response.content_type

    def _maybe_old(self, exchange: Exchange, content: bytes) -> bytes:
        """The body, or the body of a little while ago, as an old replica would return it."""
        if not self._hits("old"):
            return content
        moment = self.now() - self._uniform("age", self.faults.lag)
        body = copy.deepcopy(exchange.body)
        for record in _records(body):
            record.update(self.record_at(str(record.get("sid")), moment) or {})
        wanted = exchange.query.get("Status")
        if wanted and "meta" in body:  # an index that lags does not have some yet
            key = body["meta"]["key"]
            body[key] = [one for one in body[key] if one.get("status") == wanted]
        exchange.old = True
        return json.dumps(body).encode()

    def _respond(
        self, request: web.BaseRequest, exchange: Exchange, status: int, content: bytes, kind: str
    ) -> web.StreamResponse:
        gone = request.transport is None or request.transport.is_closing()
        if not gone:
            exchange.returned, exchange.status = self.now(), status
            exchange.shown = _plain(content)
        pause = exchange.pause if status == 429 else None
        headers = {} if pause is None else {"Retry-After": pause}
        return web.Response(status=status, body=content, content_type=kind, headers=headers)

    def _disconnect(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _send_half(
        self, request: web.BaseRequest, status: int, content: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        response.content_type, response.content_length = "application/json", len(content)
        with suppress(ConnectionError):  # the client has disconnected, with the same effect
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response


def _sender_of(request: web.BaseRequest) -> str:
    """Return the process that has sent it; empty if it has closed the connection."""
    peer = getattr(request.transport, "_peer", None)
    if peer is None:
        return ""
    return NO_PROCESS if peer.owner is None else str(peer.owner.name)


def _flat(text: str) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}


def _plain(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _records(body: Any) -> list[dict[str, Any]]:
    """The records of a page, or the single record."""
    if not isinstance(body, dict):
        return []
    if "meta" in body:
        return list(body.get(body["meta"].get("key"), []))
    return [body] if "sid" in body else []


def records_shown(exchange: Exchange) -> list[dict[str, Any]]:
    """The records in the response that the client got."""
    return _records(exchange.shown) if exchange.status is not None else []
