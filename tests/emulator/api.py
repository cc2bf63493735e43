"""Plain HTTP requests to an emulator without asyncsim's client, and a listener for callbacks."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web
from attrs import define, field, frozen
from yarl import URL

from asyncsim.emulator import Emulator, World
from asyncsim.vendors import EmulatorCredentials, Product

FORM = "application/x-www-form-urlencoded"


@frozen
class Got:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> int | None:
        return None if self.body is None else self.body.get("code")

    @property
    def sids(self) -> list[str]:
        return [row["sid"] for row in self.body["sims"]]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Api:
    """One product of one vendor."""

    def __init__(
        self,
        emulator: Emulator,
        session: aiohttp.ClientSession,
        vendor: str,
        product: str,
        credentials: EmulatorCredentials | None = None,
    ) -> None:
        self.emulator = emulator
        self.vendor = vendor
        self.product = product
        self.authorization: str | None = None
        self._session = session
        self.credentials = own = credentials or emulator.credentials
        if vendor == "twilio":
            self.authorization = basic(own.account_sid, own.auth_token)

    @property
    def world(self) -> World:
        """The account of these credentials."""
        root = self.emulator.world(self.vendor)
        return root.subaccounts.get(self.credentials.account_sid, root)

    def of(self, product: str) -> Api:
        """The same account at another product."""
        return Api(self.emulator, self._session, self.vendor, product, self.credentials)

    @property
    def sims(self) -> list[Any]:
        """Records in order of creation."""
        return list(self.world.sims(self.product).values())

    def sim(self, sid: str) -> Any:
        return self.world.sims(self.product)[sid]

    async def get(self, path: str = "/v1/Sims", **query: object) -> Got:
        text = f"?{urlencode(query)}" if query else ""
        return await self.send("GET", path + text)

    async def post(self, path: str, **form: object) -> Got:
        return await self.send("POST", path, urlencode(form, doseq=True))

    async def update(self, name: str, **form: object) -> Got:
        return await self.post(f"/v1/Sims/{name}", **form)

    async def delete(self, name: str, path: str = "/v1/Sims") -> Got:
        return await self.send("DELETE", f"{path}/{name}")

    async def rows(self, path: str, **query: object) -> list[Any]:
        """The rows of a list that fits one page."""
        got = await self.get(path, **query)
        assert got.status == 200, got.body
        rows: list[Any] = got.body[got.body["meta"]["key"]]
        return rows

    async def follow(self, url: str) -> Got:
        base = self.emulator.hosts_of(self.vendor).of(Product(self.product))
        assert base is not None
        return await self.send("GET", url.removeprefix(base))

    async def send(
        self, method: str, path: str, body: str | None = None, content_type: str = FORM
    ) -> Got:
        if self.vendor == "kore" and self.authorization is None:
            self.authorization = f"Bearer {(await self.mint()).body['access_token']}"
        base = self.emulator.hosts_of(self.vendor).of(Product(self.product))
        headers = {"Authorization": self.authorization or ""}
        return await self._request(method, f"{base}{path}", headers, body, content_type)

    async def send_json(self, method: str, path: str, value: object = None) -> Got:
        body = None if method == "GET" else json.dumps(value)
        return await self.send(method, path, body, "application/json")

    async def mint(self, **changed: str) -> Got:
        own = self.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": own.client_id,
            "client_secret": own.client_secret,
            **changed,
        }
        url = self.emulator.hosts_of("kore").token or ""
        return await self._request("POST", url, {}, urlencode(form))

    async def control(self, method: str, path: str, body: str | None = None) -> Got:
        return await self._request(
            method, f"{self.emulator.url}/_emulator/{path}", {}, body, "application/json"
        )

    async def _request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: str | None,
        content_type: str = FORM,
    ) -> Got:
        if body is not None:
            headers["Content-Type"] = content_type
        with self.emulator.clock.working():
            async with self._session.request(
                method, URL(url, encoded=True), headers=headers, data=body
            ) as response:
                text = await response.text()
                value = await response.json() if text else None
                return Got(response.status, value, response.headers)


@frozen
class Called:
    """A received callback."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def params(self) -> dict[str, str]:
        text = self.body if self.method == "POST" else self.url.partition("?")[2]
        return dict(parse_qsl(text, keep_blank_values=True))


@define
class Listener:
    """Records callbacks; responds with `statuses` in turn, then with 204."""

    url: str = ""
    calls: list[Called] = field(factory=list)
    statuses: list[int] = field(factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        url = self.url.removesuffix("/hook") + request.raw_path
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(Called(request.method, url, headers, await request.text()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)

    @property
    def received_statuses(self) -> list[str]:
        return [call.params["SimStatus"] for call in self.calls]


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", listener.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield listener
    finally:
        await runner.cleanup()
