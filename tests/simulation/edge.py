"""The vendor's edge, between the client and its API: it writes the log, and makes the weather.

Everything that a gateway, a proxy or an old replica does to honest requests happens here: lost
requests, lost responses, pages of HTML, refusals that are not the vendor's, old copies of records.
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
_HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
_LONGEST_HOLD = 2.0
"""Seconds; shorter than any client's patience, so that no request is late without its knowing."""


@frozen(kw_only=True)
class Weather:
    """Chances, from 0 to 1, per request."""

    lost: float = 0.0
    """The request never reaches the vendor; the connection is cut."""
    cut: float = 0.0
    """Carried out, and the response is lost."""
    torn: float = 0.0
    """Carried out, and the connection is cut in the middle of the response."""
    gateway: float = 0.0
    """A 502 or 504 in HTML; half of the requests were carried out."""
    page: float = 0.0
    """Of reads: a page of HTML with status 200."""
    old: float = 0.0
    """Of reads: a copy that is up to `lag` seconds old."""
    lag: float = 4.0
    held: float = 0.0
    """Held for up to two seconds before the vendor sees it."""
    late: float = 0.0
    """The response is held for up to two seconds."""


CALM = Weather()


@define(kw_only=True)
class Exchange:
    """One request as the edge saw it."""

    number: int
    arrived: float
    method: str
    path: str
    """From the product on: `/v1/Sims/HS...`."""
    product: str
    query: dict[str, str]
    form: dict[str, str]
    passed_on: float | None = None
    """When the vendor was given it."""
    carried_out: int | None = None
    """Status of the vendor's own response; None: the vendor never responded."""
    responded: float | None = None
    body: Any = None
    """What the vendor said."""
    answered: float | None = None
    status: int | None = None
    """What the client was given; None: nothing, or not all of it."""
    shown: Any = None
    """What that said."""
    pause: str | None = None
    """The vendor's `Retry-After`."""
    old: bool = False

    @property
    def sid(self) -> str | None:
        """The SIM that it is about, by its path or by the response."""
        last = self.path.rpartition("/")[2]
        return last if len(last) == 34 else None


@define(eq=False, slots=False)
class Edge:
    """A gateway on a port of its own; never killed, often unreachable."""

    vendor: str
    upstream: str
    seed: int
    now: Callable[[], float]
    record_at: Callable[[str, float], Mapping[str, Any] | None]
    """Fields that a SIM had at a moment."""
    seen: Callable[[str, Exchange], object] = lambda what, exchange: None
    """Told of `post` before the vendor gets one, and of `posted` after it has responded."""
    weather: Weather = CALM
    log: list[Exchange] = field(factory=list)
    _dice: dict[str, random.Random] = field(factory=dict)

    async def serve(self) -> None:
        """Open the port and pass requests on, for ever."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=60.0),
        ) as self._session:
            # Else aiohttp would send a read or a deletion again by itself; no setting says so.
            self._session._retry_connection = False
            await asyncio.Event().wait()

    def _strikes(self, what: str) -> bool:
        dice = self._dice.setdefault(what, random.Random(f"{self.seed} edge {what}"))
        chance: float = getattr(self.weather, what)
        return dice.random() < chance

    def _somewhat(self, what: str, most: float) -> float:
        return self._dice.setdefault(what, random.Random(f"{self.seed} edge {what}")).uniform(
            0, most
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        exchange = self._noted(request, body)
        if self._strikes("held"):
            await asyncio.sleep(self._somewhat("hold", _LONGEST_HOLD))
        if exchange.method == "POST":
            self.seen("post", exchange)
        if self._strikes("lost"):
            return self._hang_up(request)
        gateway = self._strikes("gateway")
        reads = exchange.method == "GET"
        if (gateway and self._somewhat("share", 1.0) < 0.5) or (reads and self._strikes("page")):
            return self._answer(request, exchange, 502 if gateway else 200, _HTML, "text/html")
        found = await self._ask(request, exchange, body)
        if exchange.method == "POST":
            self.seen("posted", exchange)
        if self._strikes("late"):
            await asyncio.sleep(self._somewhat("hold", _LONGEST_HOLD))
        if found is None or gateway:
            return self._answer(
                request, exchange, 502 if found is None else 504, _HTML, "text/html"
            )
        if self._strikes("cut"):
            return self._hang_up(request)
        status, content, kind = found
        if reads and status == 200:
            content = self._perhaps_old(exchange, content)
        if self._strikes("torn"):
            return await self._tear(request, status, content)
        return self._answer(request, exchange, status, content, kind)

    def _noted(self, request: web.BaseRequest, body: bytes) -> Exchange:
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
        )
        self.log.append(exchange)
        return exchange

    async def _ask(
        self, request: web.BaseRequest, exchange: Exchange, body: bytes
    ) -> tuple[int, bytes, str] | None:
        """Ask the vendor; None when it is away."""
        kept = ("Authorization", "Content-Type", "Accept")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        exchange.passed_on = self.now()
        try:
            async with self._session.request(
                request.method,
                URL(self.upstream + request.raw_path, encoded=True),
                data=body or None,
                headers=headers,
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return None
        exchange.carried_out, exchange.responded = answer.status, self.now()
        exchange.body = _plain(content)
        exchange.pause = answer.headers.get("Retry-After")
        return answer.status, content, answer.content_type

    def _perhaps_old(self, exchange: Exchange, content: bytes) -> bytes:
        """The body, or what it would have been a little while ago, as an old replica has it."""
        if not self._strikes("old"):
            return content
        moment = self.now() - self._somewhat("age", self.weather.lag)
        body = copy.deepcopy(exchange.body)
        for record in _records(body):
            record.update(self.record_at(str(record.get("sid")), moment) or {})
        wanted = exchange.query.get("Status")
        if wanted and "meta" in body:  # an index that lags has not heard of some yet
            key = body["meta"]["key"]
            body[key] = [one for one in body[key] if one.get("status") == wanted]
        exchange.old = True
        return json.dumps(body).encode()

    def _answer(
        self, request: web.BaseRequest, exchange: Exchange, status: int, content: bytes, kind: str
    ) -> web.StreamResponse:
        gone = request.transport is None or request.transport.is_closing()
        if not gone:
            exchange.answered, exchange.status = self.now(), status
            exchange.shown = _plain(content)
        pause = exchange.pause if status == 429 else None
        headers = {} if pause is None else {"Retry-After": pause}
        return web.Response(status=status, body=content, content_type=kind, headers=headers)

    def _hang_up(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _tear(
        self, request: web.BaseRequest, status: int, content: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        response.content_type, response.content_length = "application/json", len(content)
        with suppress(ConnectionError):  # hung up on by the client, which is just as well
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response


def _flat(text: str) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}


def _plain(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _records(body: Any) -> list[dict[str, Any]]:
    """The records of a page, or the one that a body is."""
    if not isinstance(body, dict):
        return []
    if "meta" in body:
        return list(body.get(body["meta"].get("key"), []))
    return [body] if "sid" in body else []


def records_shown(exchange: Exchange) -> list[dict[str, Any]]:
    """The records that the client was shown."""
    return _records(exchange.shown) if exchange.status is not None else []
