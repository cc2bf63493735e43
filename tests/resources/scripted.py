"""A vendor API with scripted responses, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from attrs import define, field

from asyncsim import CallbackReceiver, Client, Hosts
from asyncsim.clock import ManualClock
from asyncsim.events import Event
from tests.http.server import Received, ScriptedResponse, Server
from tests.integration.harness import complete

T = TypeVar("T")
Script = Callable[[Received], Awaitable[ScriptedResponse]]

ACCOUNT = "AC" + "1" * 32
AUTH_TOKEN = "auth-token-never-shown"
_TOKEN = {"access_token": "bearer-token", "expires_in": 3600, "token_type": "Bearer"}


def sid(prefix: str, digit: str = "0") -> str:
    return prefix + digit * 32


@define(eq=False)
class ScriptedApi:
    server: Server
    client: Client
    clock: ManualClock
    receiver: CallbackReceiver | None
    events: list[Event] = field(factory=list)
    script: Script | None = None
    responses: list[ScriptedResponse | int | str] = field(factory=list)

    def plan(self, *responses: ScriptedResponse | int | str | dict[str, Any]) -> None:
        """Respond with these next, except to token requests; a dict is a body with 200."""
        self.responses += [
            ScriptedResponse(200, one) if isinstance(one, dict) else one for one in responses
        ]

    async def respond(self, one: Received) -> ScriptedResponse:
        if one.raw_path == "/token":
            return ScriptedResponse(200, _TOKEN)
        if self.script is not None:
            return await self.script(one)
        planned = self.responses.pop(0) if self.responses else 404
        return planned if isinstance(planned, ScriptedResponse) else ScriptedResponse(planned)

    @property
    def received(self) -> list[Received]:
        """Requests received, without those for tokens."""
        return [one for one in self.server.received if one.raw_path != "/token"]

    @property
    def request_lines(self) -> list[str]:
        """The same requests as `METHOD path body`."""
        return [f"{one.method} {one.raw_path} {one.body}".strip() for one in self.received]

    async def complete(self, work: Awaitable[T]) -> T:
        return await complete(self.clock, work)


def hosts(url: str, *, monitor: bool) -> Hosts:
    return Hosts(
        wireless=url,
        supersim=url,
        webhooks=url,
        token=f"{url}/token",
        monitor=url if monitor else None,
    )


@asynccontextmanager
async def open_scripted(
    clock: ManualClock,
    vendor: str = "twilio",
    *,
    listens: bool = False,
    monitor: bool | None = None,
    **settings: Any,
) -> AsyncIterator[ScriptedApi]:
    """`monitor`: whether the Monitor host is known; None: only where the vendor documents it."""
    known = vendor == "twilio" if monitor is None else monitor
    async with Server() as server:
        receiver = CallbackReceiver(clock=clock) if listens else None
        events: list[Event] = []
        options: dict[str, Any] = {
            "hosts": hosts(server.url, monitor=known),
            "clock": clock,
            "receiver": receiver,
            "observers": [events.append],
            **settings,
        }
        client = (
            Client.twilio(ACCOUNT, AUTH_TOKEN, **options)
            if vendor == "twilio"
            else Client.kore("client", "secret", **options)
        )
        async with client:
            scripted = ScriptedApi(server, client, clock, receiver, events)
            server.otherwise = scripted.respond
            yield scripted
