"""The emulator put together; this much of it knows nothing of our own client."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.emulator.app import Server
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.context import Desk
from asyncsim.emulator.control_api import Controls
from asyncsim.emulator.exchange import RequestRecord
from asyncsim.emulator.faults import Faults
from asyncsim.emulator.house import House
from asyncsim.emulator.latency import Latency
from asyncsim.emulator.letters import Delivery
from asyncsim.emulator.persistence import open_state
from asyncsim.emulator.reception import Reception
from asyncsim.emulator.request_log import Journal
from asyncsim.emulator.settings import Behaviour
from asyncsim.emulator.world import World
from asyncsim.errors import ConfigurationError, DecodeError
from asyncsim.vendors import EMULATOR_CREDENTIALS, TWILIO, VENDORS, Hosts, Product, emulator_hosts


class Emulation:
    """The SIM APIs of both vendors on one port of this machine. Use it as `async with`.

    `sims` SIMs in status `new` are made for each product of each vendor, the same ones for the
    same `seed`. `speed` divides all latencies. `clock` may be a `ManualClock`. `state` names a
    SQLite file that keeps everything across restarts; a file that already has SIMs keeps those,
    whatever `sims` says. `allowed_hosts` are further names that requests may use for this machine,
    such as a container's: addresses, `localhost` and `host` always pass, `*` lets all pass.
    """

    def __init__(
        self,
        *,
        sims: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        latency: Latency = Latency(),  # noqa: B008  # frozen
        faults: Faults = Faults(),  # noqa: B008
        behaviour: Behaviour = Behaviour(),  # noqa: B008
        seed: int = 0,
        clock: Clock | None = None,
        state: str | Path | None = None,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        if sims < 0 or not 0 <= port <= 65535 or not 0 < speed < math.inf:
            raise ConfigurationError("an emulator needs sims >= 0, a port to 65535 and speed > 0")
        self.clock: Clock = clock or SYSTEM_CLOCK
        self.credentials = EMULATOR_CREDENTIALS
        self._conditions = Conditions(behaviour, latency, faults, speed=speed, seed=seed)
        self._sims = sims
        self._host = host
        self._port = port
        self._path = state
        self._allowed_hosts = frozenset(name.lower() for name in (host, *allowed_hosts))
        self._house: House | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> Self:
        """Open the state and listen; `ConfigurationError` if the port cannot be had."""
        if self._runner is not None:
            raise ConfigurationError("this emulator is already running")
        state = open_state(self._path)
        try:
            self._house = House(self.clock, self._conditions, self.credentials, state)
            self._house.furnish(self._sims)
        except (AttributeError, DecodeError, LookupError, TypeError, ValueError) as error:
            state.discard()
            raise ConfigurationError(
                f"the emulator's state in {self._path} cannot be read: {error!r}; "
                "the file stays as it is: start with another one"
            ) from error
        try:
            await self._listen(self._house)
        except BaseException:
            await self._house.close()
            raise
        self._house.agenda.resume()
        return self

    async def stop(self) -> None:
        """Stop listening, and everything under way; logs and worlds can still be looked at."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._running.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, with the port that was given by the system if none was asked for."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def hosts(self) -> Hosts:
        """Base URLs of Twilio's rooms."""
        return self.hosts_of("twilio")

    def hosts_of(self, vendor: str) -> Hosts:
        """Base URLs of a vendor's rooms."""
        return emulator_hosts(self.url, VENDORS[vendor])

    def world(self, vendor: str) -> World:
        """A vendor's main account: look at it, change it, open subaccounts."""
        return self._running.worlds[vendor]

    @property
    def requests(self) -> Journal[RequestRecord]:
        """All requests to the vendors' APIs, oldest first; `clear()` empties it."""
        return self._running.requests

    @property
    def deliveries(self) -> Journal[Delivery]:
        """All attempts to deliver callbacks, oldest first."""
        return self._running.deliveries

    @property
    def faults(self) -> Faults:
        """What goes wrong; may be replaced at any time."""
        return self._conditions.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._conditions.faults = faults

    @property
    def behaviour(self) -> Behaviour:
        """What the documents leave open; may be replaced at any time."""
        return self._conditions.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._conditions.behaviour = behaviour

    @property
    def latency(self) -> Latency:
        """How long things take; may be replaced, for what begins from then on."""
        return self._conditions.latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self._conditions.latency = latency

    def expire_tokens(self) -> None:
        """Make every KORE access token minted so far worthless."""
        self._running.tokens.expire()
        self._running.state.commit()

    @property
    def _running(self) -> House:
        if self._house is None:
            raise ConfigurationError("start the emulator first: async with Emulator() as emulator")
        return self._house

    async def _listen(self, house: House) -> None:
        app = web.Application(client_max_size=1 << 20, middlewares=[self._check_host])
        app.add_routes([*self._server(house).routes(), *self._controls(house).routes()])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, backlog=1024)
            await site.start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise ConfigurationError(
                f"the emulator cannot listen on {where}: {error.strerror}; port 0 takes a free one"
            ) from error
        self._port = runner.addresses[0][1]
        self._runner = runner

    @web.middleware
    async def _check_host(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse names that are not ours: a page could point its own name at this machine."""
        name = _host_name(request.host)
        if not {name, "*"} & self._allowed_hosts and not _is_here(name):
            message = f"Host {name!r} is not allowed here; add it to allowed_hosts (--allow-host)"
            return web.json_response({"message": message}, status=403)
        return await handler(request)

    def _server(self, house: House) -> Server:
        desks = {name: self._desk(house, name) for name in house.worlds}
        reception = Reception(self._conditions, house.tokens, desks)
        return Server(self.clock, house.state, reception, house.requests)

    def _controls(self, house: House) -> Controls:
        return Controls(
            conditions=self._conditions,
            worlds=house.worlds,
            requests=house.requests,
            deliveries=house.deliveries,
            expire_tokens=house.tokens.expire,
            commit=house.state.commit,
        )

    def _desk(self, house: House, vendor: str) -> Desk:
        def base(product: Product) -> str:
            return self.hosts_of(vendor).of(product) or self.url

        def page_base(product: Product) -> str:
            rewrites = vendor != "kore" or self.behaviour.kore_rewrites_page_urls
            return base(product) if rewrites else TWILIO.hosts.of(product) or self.url

        return Desk(house.worlds[vendor], house.carrier, self._conditions, base, page_base)


def _host_name(host: str) -> str:
    """A Host header without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_here(name: str) -> bool:
    """Whether no name server was asked for it: an address, or `localhost` (RFC 6761)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True
