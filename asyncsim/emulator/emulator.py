"""Emulator: both vendors' SIM APIs on one port of this machine, and clients for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack

from aiohttp import web
from attrs import fields

from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.emulator.app import RequestHandler, host_check
from asyncsim.emulator.audit import AuditLog
from asyncsim.emulator.auth import AccessTokens
from asyncsim.emulator.callbacks import CallbackSender, Delivery
from asyncsim.emulator.commands import CommandDelivery
from asyncsim.emulator.context import RequestContext
from asyncsim.emulator.control_api import ControlApi
from asyncsim.emulator.persistence import FORMAT, NullStore, SqliteStore, StateStore
from asyncsim.emulator.request_log import EntryLog, RequestRecord
from asyncsim.emulator.scheduler import Scheduler
from asyncsim.emulator.settings import Behaviour, Faults, Latency, RuntimeSettings
from asyncsim.emulator.transitions import SimTransitions
from asyncsim.emulator.world import World
from asyncsim.errors import ConfigurationError, DecodeError
from asyncsim.vendors import (
    EMULATOR_CREDENTIALS,
    VENDORS,
    EmulatorCredentials,
    Hosts,
    Product,
    emulator_hosts,
)

if TYPE_CHECKING:
    from asyncsim.client import Client, Settings


class Runtime:
    """Everything that exists only while the emulator runs."""

    def __init__(
        self,
        clock: Clock,
        settings: RuntimeSettings,
        credentials: EmulatorCredentials,
        state: StateStore,
        sims: int,
    ) -> None:
        seed = settings.seed
        self.state = state
        self.scheduler = Scheduler(clock, state)
        self.requests = EntryLog("requests", RequestRecord, state)
        self.deliveries = EntryLog("deliveries", Delivery, state)
        self.callbacks = CallbackSender(
            clock, self.scheduler, settings, self._signing_secret, self.deliveries
        )
        self.transitions = SimTransitions(self.scheduler, settings, self.callbacks)
        self._commands = CommandDelivery(self.scheduler, settings, self.callbacks, self.transitions)
        self._audit = AuditLog(settings)
        self.worlds = {
            name: World(vendor, credentials, clock, state, seed) for name, vendor in VENDORS.items()
        }
        self.tokens = AccessTokens(
            clock, state, lambda: [one.credentials for one in self.worlds["kore"].family()], seed
        )
        # Load what the state has; a new one gets its seeds.
        is_new = not list(state.items("about"))
        for world in self.worlds.values():
            world.on_opened = self._attach
            self._attach(world)
            if is_new:
                world.create_seeds(sims)
            else:
                world.load()
        state.put("about", "format", FORMAT)
        self.tokens.load()
        self.scheduler.load()
        state.commit()

    def _attach(self, world: World) -> None:
        # The audit log first: a change may set off the next change before its listener returns.
        self._audit.attach(world)
        self.transitions.attach(world)
        self._commands.attach(world)

    def _signing_secret(self, vendor: str, account_sid: str) -> str | None:
        root = self.worlds[vendor]
        world = root.subaccounts.get(account_sid, root)
        return world.signing_secret() if vendor == "kore" else world.credentials.auth_token

    async def close(self) -> None:
        """Stop all timers and deliveries; the state keeps them."""
        self.scheduler.close()
        await self.callbacks.close()
        self.state.close()


class Emulator:
    """The SIM APIs of both vendors on one port of this machine, and clients for them.

    ::

        async with Emulator(sims=500) as emulator:
            async with emulator.client() as client: ...

    `sims` SIMs in status `new` are created for each product of each vendor, the same ones for the
    same `seed`. `speed` divides all latencies. `clock` may be a `ManualClock`. `state` names a
    SQLite file that keeps everything across restarts; the SIMs of an existing file stay, whatever
    `sims` says. `allowed_hosts` are further host names that requests may use for this machine, such
    as a container's: addresses, `localhost` and `host` are always allowed, `*` allows all.
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
        self._settings = RuntimeSettings(behaviour, latency, faults, speed=speed, seed=seed)
        self._sims = sims
        self._host = host
        self._port = port
        self._path = state
        self._allowed_hosts = (host, *allowed_hosts)
        self._runtime: Runtime | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> Self:
        """Open the state and listen; `ConfigurationError` if the port is not available."""
        if self._runner is not None:
            raise ConfigurationError("this emulator is already running")
        state = NullStore() if self._path is None else SqliteStore(self._path)
        try:
            runtime = Runtime(self.clock, self._settings, self.credentials, state, self._sims)
        except (AttributeError, DecodeError, LookupError, TypeError, ValueError) as error:
            state.discard()
            raise ConfigurationError(
                f"the emulator's state in {self._path} cannot be read: {error!r}; "
                "the file is left unchanged: use another one"
            ) from error
        self._runtime = runtime
        try:
            await self._listen(runtime)
        except BaseException:
            await runtime.close()
            raise
        runtime.scheduler.resume()
        return self

    async def stop(self) -> None:
        """Stop listening and delivering; logs and worlds can still be read."""
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

    def __repr__(self) -> str:
        if self._runtime is None:
            return f"<Emulator, not started, {self._sims:,} SIMs for each product>"
        where = f"at {self.url}" if self._runner is not None else "stopped"
        worlds = self._running.worlds.values()
        sims = sum(len(one.sims("wireless")) + len(one.sims("supersim")) for one in worlds)
        count = len(self.requests)
        requests = f"{count:,} request{'' if count == 1 else 's'} received"
        return f"<Emulator {where}: {sims:,} SIMs, {requests}>"

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        if self._runtime is None:
            return reprs.card("Emulator, not started")
        rows = [
            (vendor, product, ", ".join(f"{count:,} {status}" for status, count in found.items()))
            for vendor, product, found in self._sim_counts()
        ]
        faults = {
            one.name: value
            for one in fields(Faults)
            if (value := getattr(self.faults, one.name)) != one.default
        }
        facts = [
            ("requests received", len(self.requests)),
            ("callbacks delivered", len(self.deliveries)),
            ("speed", f"{self._settings.speed:g} times"),
            ("faults", ", ".join(f"{name} {value}" for name, value in faults.items()) or "none"),
        ]
        title = f"Emulator at {self.url}" if self._runner is not None else "Emulator, stopped"
        counts = reprs.table(("vendor", "product", "SIMs by status"), rows)
        return reprs.card(title, counts, reprs.facts_table(facts))

    def _sim_counts(self) -> Iterator[tuple[str, str, Counter[str]]]:
        """Count the SIMs of each vendor and product by status."""
        for name, world in self._running.worlds.items():
            for product in (Product.WIRELESS, Product.SUPERSIM):
                sims = world.sims(product.value).values()
                yield name, product.label, Counter(str(sim.status) for sim in sims)

    @property
    def url(self) -> str:
        """`http://HOST:PORT`; with `port=0`, the port that the system chose."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def speed(self) -> float:
        """Times as fast as the vendors."""
        return self._settings.speed

    @property
    def hosts(self) -> Hosts:
        """Base URLs of Twilio's APIs."""
        return self.hosts_of("twilio")

    def hosts_of(self, vendor: str) -> Hosts:
        """Base URLs of a vendor's APIs."""
        return emulator_hosts(self.url, VENDORS[vendor])

    def client(
        self,
        vendor: Literal["twilio", "kore"] = "twilio",
        *,
        credentials: EmulatorCredentials | None = None,
        webhook_secrets: Sequence[str] | None = None,
        **settings: Unpack[Settings],
    ) -> Client:
        """A client of this emulator, on its clock; `settings` are those of `Client`.

        Unless `watching` is given, it is `Watching().at_speed(emulator.speed)`: the client polls as
        much faster as SIMs settle, and a failed change is believed as much earlier. Everything
        that is given, and all of `timeout`, `retry` and `throttle`, counts real seconds.
        `credentials` are those of a subaccount, as `world(vendor).add_subaccount()` gives them.
        `webhook_secrets` are KORE's, by default the one in the credentials.
        """
        # Here alone the emulator imports the client, and only to build one: two sides that share
        # code would agree on a bug.
        from asyncsim.client import Client
        from asyncsim.core.settings import Watching

        given: Settings = {"hosts": self.hosts_of(vendor), "clock": self.clock, **settings}
        given["watching"] = given.get("watching") or Watching().at_speed(self.speed)
        own = credentials or self.credentials
        if vendor == "kore":
            secrets = [own.webhook_secret] if webhook_secrets is None else webhook_secrets
            return Client.kore(own.client_id, own.client_secret, webhook_secrets=secrets, **given)
        return Client.twilio(own.account_sid, own.auth_token, **given)

    def world(self, vendor: str) -> World:
        """A vendor's main account: read it, change it, open subaccounts."""
        return self._running.worlds[vendor]

    @property
    def requests(self) -> EntryLog[RequestRecord]:
        """All requests to the vendors' APIs, oldest first; `clear()` empties it."""
        return self._running.requests

    @property
    def deliveries(self) -> EntryLog[Delivery]:
        """All attempts to deliver callbacks, oldest first."""
        return self._running.deliveries

    @property
    def faults(self) -> Faults:
        """The injected faults; may be replaced at any time."""
        return self._settings.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._settings.faults = faults

    @property
    def behaviour(self) -> Behaviour:
        """The settings for what the documents leave open; may be replaced at any time."""
        return self._settings.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._settings.behaviour = behaviour

    @property
    def latency(self) -> Latency:
        """The latencies; may be replaced, for whatever is scheduled from then on."""
        return self._settings.latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self._settings.latency = latency

    def expire_tokens(self) -> None:
        """Invalidate every KORE access token minted so far."""
        self._running.tokens.expire_all()
        self._running.state.commit()

    @property
    def _running(self) -> Runtime:
        if self._runtime is None:
            raise ConfigurationError("start the emulator first: async with Emulator() as emulator")
        return self._runtime

    async def _listen(self, runtime: Runtime) -> None:
        handler = RequestHandler(
            self.clock, runtime.state, self._settings, runtime.tokens, runtime.requests
        )
        control = ControlApi(
            settings=self._settings,
            worlds=runtime.worlds,
            requests=runtime.requests,
            deliveries=runtime.deliveries,
            expire_tokens=self.expire_tokens,
            commit=runtime.state.commit,
        )
        checked = host_check(self._allowed_hosts)
        app = web.Application(client_max_size=1 << 20)
        app.add_routes([checked(route) for route in (*handler.routes(), *control.routes())])
        app.on_cleanup.append(handler.close)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, backlog=1024)
            await site.start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise ConfigurationError(
                f"the emulator cannot listen on {where}: {error.strerror}; "
                "use port 0 for a free one"
            ) from error
        self._port = runner.addresses[0][1]
        for vendor, world in runtime.worlds.items():
            # Once per start: a `Hosts` checks its URLs, which costs more than a row of a list.
            hosts = self.hosts_of(vendor)
            base_urls = {product: url for product in Product if (url := hosts.of(product))}
            handler.contexts[vendor] = RequestContext(
                world, runtime.transitions, self._settings, base_urls
            )
        self._runner = runner
