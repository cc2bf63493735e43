"""One world from its seed: put together, disturbed, calmed, judged."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import simloom
from attrs import evolve

from asyncsim.emulator import Behaviour, Emulator, Faults, Latency
from tests.simulation.auditor import audit
from tests.simulation.clock import SkewedClock
from tests.simulation.edge import CALM, Edge, Exchange, records_shown
from tests.simulation.machines import Machine, Order
from tests.simulation.notebook import Move, Notebook, Wish
from tests.simulation.postman import Postman
from tests.simulation.scenario import CALM_AT, Scenario, draw
from tests.simulation.service import LISTENS_AT, Service
from tests.simulation.stand_ins import Belongings, stood_in
from tests.simulation.verdict import BROKEN, Verdict

VENDOR_PORT = 8900
MUST_END_BY = CALM_AT + 1800.0
"""Seconds of virtual time by which everything has to have come to its end."""
_LONGEST = 120.0
"""Seconds of real time for one world; a loop that never yields is found by that."""


class Universe:
    """Everything in one world."""

    def __init__(
        self, scenario: Scenario, world: simloom.World, order: Order, folder: Path
    ) -> None:
        self.scenario = scenario
        self.world = world
        self.order = order
        self.folder = folder
        self.notebook = Notebook()
        self.machines: dict[str, Machine] = {}
        self.nobody = Belongings()
        self.emulator: Emulator | None = None
        self.calm = False
        self._forgeries: asyncio.Queue[Exchange] | None = None
        self._dice = random.Random(f"{self.scenario.seed} fate")
        self._up, self._done = asyncio.Event(), asyncio.Event()
        self.edge = Edge(
            vendor=self.scenario.vendor,
            upstream=f"http://127.0.0.1:{VENDOR_PORT}",
            seed=self.scenario.seed,
            now=lambda: self.world.time,
            record_at=self._record_at,
            seen=self._seen,
            weather=self.scenario.weather,
            log=self.notebook.exchanges,
        )
        self.postman = Postman(
            seed=self.scenario.seed,
            receiver=f"http://127.0.0.1:{LISTENS_AT}",
            keeps=self.scenario.kept_back,
        )
        self._service = Service(
            scenario=self.scenario,
            notebook=self.notebook,
            folder=self.folder,
            done=self._done,
            now=lambda: self.world.time,
            life=lambda: self.machines["service"].life,
        )
        for name, work in (
            ("vendor", self._vend),
            ("edge", self.edge.serve),
            ("postman", self.postman.serve),
            ("service", self._serve),
            ("office", self._meddle),
            ("forger", self._forge),
            ("second", self._service.second),
        ):
            machine = Machine(self.world, name, work, neighbours=self.everybody)
            self.machines[name] = machine

    def everybody(self) -> list[Belongings]:
        """What all processes have open."""
        return [self.nobody, *(machine.belongings for machine in self.machines.values())]

    def owner(self) -> Belongings:
        """What the process has open that runs just now."""
        from simloom._context import current_host

        host = current_host.get()
        return self.nobody if host is None else self.machines[host.name].belongings

    # The vendor.

    async def _vend(self) -> None:
        scenario = self.scenario
        keeps = scenario.vendor_deaths > 0
        faults = Faults() if self.calm else Faults(seed=scenario.seed, **scenario.faults)
        emulator = Emulator(
            sims=scenario.sims,
            port=VENDOR_PORT,
            clock=SkewedClock(),
            seed=scenario.seed,
            latency=Latency(transition=scenario.transition, shortest=scenario.transition / 4),
            behaviour=Behaviour(**scenario.behaviour),
            state=self.folder / "vendor.db" if keeps else None,
            faults=faults,
        )
        async with emulator:
            self.emulator = emulator
            store = emulator.world(scenario.vendor).sims(scenario.product)
            if not self.notebook.moves:
                for sid in [*store]:
                    store.put(evolve(store[sid], status=scenario.start))
                    self._noted(None, store[sid])
                emulator.expire_tokens()  # which commits; there are none yet
            store.watch(self._noted)
            self._up.set()
            await asyncio.Event().wait()

    def _noted(self, before: Any, after: Any) -> None:
        """Write down what a SIM has become."""
        move = Move(
            self.world.time,
            after.sid,
            None if before is None else _shown(before),
            _shown(after),
        )
        self.notebook.moves.append(move)
        self._say(f"vendor: {after.sid[:6]} is {after.status}")

    def _record_at(self, sid: str, moment: float) -> Mapping[str, Any] | None:
        found = self.notebook.at(sid, moment)
        if found is None:
            return None
        fields = dict(found)
        fields["date_updated"] = fields["date_updated"].strftime("%Y-%m-%dT%H:%M:%SZ")
        return fields

    # The client's process, and its fate.

    async def _serve(self) -> None:
        service = self._service
        try:
            await service.live()
        except Exception as error:
            self.notebook.complaints.append(f"the process ended with {error!r}")
            self._done.set()
            raise

    def _plan_death(self) -> None:
        """Choose what this life of the service is to die of."""
        self._cause, self._countdown, self._extra = "", 0, 0
        service = self.machines["service"]
        if service.deaths >= self.scenario.deaths or self.calm:
            return
        self._cause = self._dice.choice(("steps", "steps", "post", "posted", "commit"))
        self._extra = self._dice.randint(0, 40)
        self._countdown = self._dice.randint(1, 2 * self.scenario.sims)
        if self._cause == "steps":
            self.order.in_steps(int(10 ** self._dice.uniform(1.0, 3.6)), self._kill)

    def _seen(self, what: str, exchange: Exchange) -> None:
        self._say(f"edge: {what} {exchange.path[-8:]} {exchange.form.get('Status', '')}")
        if what == "post" and "CallbackUrl" in exchange.form:
            self._tempt(exchange)
        if what == "posted":
            self.postman.asked_again(exchange)
        self._happened(what)

    def _happened(self, what: str) -> None:
        """Kill the service if this is what it was to die of."""
        if what == self._cause:
            self._countdown -= 1
            if self._countdown == 0:
                self.order.in_steps(self._extra, self._kill)

    def _kill(self) -> None:
        service = self.machines["service"]
        if not service.alive or self.calm or self._done.is_set():
            return
        service.kill()
        self._say(f"the service dies of {self._cause} (death {service.deaths})")
        pause = self._dice.choice((0.1, 1.0, 20.0, 60.0))
        asyncio.get_running_loop().call_later(pause, self._revive)

    def _revive(self) -> None:
        service = self.machines["service"]
        self._say(f"the service starts again (life {service.life + 1})")
        service.start()
        self._plan_death()

    # Those who disturb.

    async def _meddle(self) -> None:
        """Change SIMs as a colleague would, past the edge."""
        assert self.emulator is not None
        requests = {"supersim": ("active", "inactive"), "wireless": ("active", "suspended")}
        for _ in range(self.scenario.colleague):
            await asyncio.sleep(self._dice.uniform(0.0, 60.0))
            sid = self._dice.choice(self.notebook.wishes).sid
            status = self._dice.choice(requests[self.scenario.product])
            self.notebook.touched.add(sid)
            self._say(f"office: {sid[:6]} is to be {status}")
            async with self.emulator.client(self.scenario.vendor) as client:
                sims: Any = getattr(client, self.scenario.product).sims
                try:
                    await sims.update(sid, status=status)
                except Exception as error:  # noqa: BLE001  # it is a colleague's trouble
                    self._say(f"office: {error!r}")

    def _tempt(self, exchange: Exchange) -> None:
        if self._dice.random() < self.scenario.forged and self._forgeries is not None:
            self._forgeries.put_nowait(exchange)

    async def _forge(self) -> None:
        """Call back in the vendor's name: unsigned, signed wrongly, by GET."""
        self._forgeries = asyncio.Queue()
        async with aiohttp.ClientSession() as session:
            while True:
                exchange = await self._forgeries.get()
                status = exchange.form.get("Status", "active")
                form = {
                    "SimSid": exchange.sid or "",
                    "SimStatus": status,
                    "AccountSid": "AC" + "e" * 32,
                }
                kore = self.scenario.vendor == "kore"  # which signs nothing of a GET
                method = self._dice.choice(("GET", "GET", "POST") if kore else ("GET", "POST"))
                data = {"params": form} if method == "GET" else {"data": form}
                try:
                    async with session.request(
                        method,
                        exchange.form["CallbackUrl"],
                        **data,  # type: ignore[arg-type]
                    ) as answer:
                        self._say(f"forger: {method} {status} -> {answer.status}")
                except aiohttp.ClientError as error:
                    self._say(f"forger: {error!r}")

    async def _disturb(self) -> None:
        """Cut the network into pieces and connections in two; kill the vendor."""
        scenario, dice = self.scenario, self._dice
        troubles = ["partition"] * scenario.partitions + ["reset"] * scenario.resets
        troubles += ["vendor"] * scenario.vendor_deaths + ["expiry"] * scenario.expiries
        dice.shuffle(troubles)
        for trouble in troubles:
            await asyncio.sleep(10 ** dice.uniform(-1.0, 1.6))
            await getattr(self, f"_{trouble}")()

    async def _partition(self) -> None:
        hosts = {name: machine.host for name, machine in self.machines.items()}
        cut_off = self._dice.choice(("edge", "postman"))
        self.notebook.disturbed = True
        self._say(f"partition: service | {cut_off}")
        self.world.net.partition([hosts["service"]], [hosts[cut_off]])
        await asyncio.sleep(10 ** self._dice.uniform(-0.5, 1.5))
        self.world.net.heal()
        self._say("the partition heals")

    async def _reset(self) -> None:
        hosts = {name: machine.host for name, machine in self.machines.items()}
        self._say("connections are reset")
        self.world.net.reset_connections(hosts["service"], hosts["edge"])
        self.notebook.disturbed = True

    async def _expiry(self) -> None:
        if self.emulator is not None and self.machines["vendor"].alive:
            self._say("all tokens expire")
            self.emulator.expire_tokens()

    async def _vendor(self) -> None:
        vendor = self.machines["vendor"]
        self.order.in_steps(1, vendor.kill)
        self._say("the vendor dies")
        self.notebook.disturbed = True
        await asyncio.sleep(10 ** self._dice.uniform(-1.0, 1.5))
        vendor.start()

    def _calm_down(self) -> None:
        self._say("nothing goes wrong from here on")
        self.calm, self.edge.weather, self.postman.keeps = True, CALM, 0.0
        self.world.net.heal()
        if self.emulator is not None:
            self.emulator.faults = Faults()

    # From beginning to end.

    async def run(self) -> None:
        """Live through it."""
        self.world.net.set_latency(*self.scenario.latency)
        self.machines["vendor"].start()
        await self._up.wait()
        self.machines["edge"].start()
        self.machines["postman"].start()
        self._wish()
        self._plan_death()
        for name, wanted in (
            ("forger", self.scenario.forged),
            ("office", self.scenario.colleague),
            ("second", self.scenario.second),
        ):
            if wanted:
                self.machines[name].start()
        await asyncio.sleep(0.5)
        self.machines["service"].start()
        disturbing = asyncio.create_task(self._disturb(), name="disturb")
        asyncio.get_running_loop().call_later(CALM_AT, self._calm_down)
        try:
            async with asyncio.timeout(MUST_END_BY):
                await self._done.wait()
        except TimeoutError:
            where = ", ".join(_where(task) for task in asyncio.all_tasks())
            late = f"not done after {MUST_END_BY:g} virtual seconds; tasks at {where}"
            self.notebook.complaints.append(late)
        self.notebook.ended = self.world.time
        disturbing.cancel()
        self.notebook.deaths = self.machines["service"].died_at
        self.notebook.vendor_deaths = self.machines["vendor"].deaths
        self.notebook.there = {name for sim in self._sims() for name in (sim.sid, sim.iccid)}

    def _sims(self) -> Any:
        assert self.emulator is not None
        return self.emulator.world(self.scenario.vendor).sims(self.scenario.product).values()

    def _wish(self) -> None:
        assert self.emulator is not None
        world = self.emulator.world(self.scenario.vendor)
        owned: Any = world.fleets if self.scenario.product == "supersim" else world.rate_plans
        self.notebook.names = {one.unique_name: one.sid for one in owned.values()}
        if self.scenario.work == "registers":
            for _ in range(self.scenario.sims):
                card = world.add_registrable()
                wish = Wish(card.iccid, {"registration_code": card.registration_code})
                self.notebook.wishes.append(wish)
            self.emulator.expire_tokens()  # which commits; there are none yet
            return
        text = "command" if self.scenario.product == "wireless" else "payload"
        sends = self.scenario.work in ("texts", "creates")
        for number, sid in enumerate(world.sims(self.scenario.product)):
            nothing: Mapping[str, Any] = {}
            wanted = self.scenario.wishes or (nothing,)
            for one in ({text: f"text {number}"},) if sends else wanted:
                self.notebook.wishes.append(Wish(sid, one))

    def committed(self) -> None:
        """Take note of a commit by the service's journal."""
        self._happened("commit")

    def _say(self, text: str) -> None:
        self.notebook.lines.append(f"{self.world.time:9.3f}  {text}")


def _shown(record: Any) -> Mapping[str, Any]:
    """What requests may change of a SIM, and its date."""
    owned = "fleet_sid" if record.sid.startswith("HS") else "rate_plan_sid"
    fields = ("status", owned, "date_updated")
    return {name: getattr(record, name) for name in fields}


def _where(task: asyncio.Task[Any]) -> str:
    """A task, and the line at which it stands."""
    frames = task.get_stack()
    line = f"{Path(frames[-1].f_code.co_filename).name}:{frames[-1].f_lineno}" if frames else "?"
    return f"{task.get_name()} {line}"


def _line(one: Exchange) -> str:
    """One request, in the story."""
    asked = {**one.query, **one.form}
    asked.pop("CallbackUrl", None)
    heard = "nothing" if one.status is None else one.status
    shown = [record.get("status") for record in records_shown(one)]
    return (
        f"{one.arrived:9.3f}  #{one.number} {one.method} {one.path[-20:]} {asked or ''}"
        f" vendor: {one.carried_out}, client: {heard} {shown or ''}{' old' if one.old else ''}"
    )


def live(seed: int, done: Callable[[Verdict], None]) -> None:
    """Let a world live and be judged; `done` is told inside of it, at its end."""
    scenario = draw(seed)
    order = Order(scenario.disorder)
    memory = Path("/dev/shm")  # where there is such, no disk is worn out
    room = memory if memory.is_dir() else None

    async def main(world: simloom.World) -> None:
        verdict = Verdict(seed=seed, faults=[])
        with tempfile.TemporaryDirectory(dir=room) as folder:
            universe = Universe(scenario, world, order, Path(folder))
            loop: Any = asyncio.get_running_loop()
            with stood_in(universe.owner, universe.everybody, loop.time, universe.committed):
                await universe.run()
                _judge(scenario, universe, loop, verdict)
        verdict.digest = loop.log.digest()
        done(verdict)

    simloom.run(
        main,
        seed=seed,
        scheduler=order,
        virtual_time=True,
        seed_randomness=True,
        gc_interval=0,
        watchdog=_LONGEST,
        max_steps_per_instant=200_000,
    )


def _judge(scenario: Scenario, universe: Universe, loop: Any, verdict: Verdict) -> None:
    """Fill in a verdict."""
    notebook = universe.notebook
    verdict.kills, verdict.vendor_kills = len(notebook.deaths), notebook.vendor_deaths
    verdict.requests, verdict.seconds = len(notebook.exchanges), universe.world.time
    verdict.story = sorted([*notebook.lines, *map(_line, notebook.exchanges)])
    try:
        verdict.faults = audit(scenario, notebook)
    except Exception as error:  # noqa: BLE001  # told as what it is
        verdict.faults = [f"{BROKEN}: {error!r}"]
    if not (notebook.deaths or notebook.vendor_deaths):  # who dies leaves sessions open
        verdict.faults += [
            f"reached the loop unhandled: {one.get('message')} {one.get('exception')!r}"
            for one in loop.unhandled_exceptions
        ]
