"""One simulated world: built from its scenario, run with faults and then without."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import simloom
from attrs import evolve

from asyncsim.emulator import Behaviour, Emulator, Faults, Latency
from tests.simulation.auditor import audit
from tests.simulation.callback_proxy import CallbackProxy
from tests.simulation.clock import SkewedClock
from tests.simulation.fakes import ProcessResources
from tests.simulation.gateway import NO_FAULTS, Exchange, Gateway
from tests.simulation.history import Goal, History, StateChange
from tests.simulation.processes import Process, StepScheduler
from tests.simulation.scenario import FAULTS_END_AT, Scenario
from tests.simulation.service import RECEIVER_PORT, Service

VENDOR_PORT = 8900
MUST_END_BY = FAULTS_END_AT + 1800.0
"""Seconds of virtual time by which all work must be done."""


class SimulatedWorld:
    """The processes of one world, and the faults that hit them."""

    def __init__(
        self, scenario: Scenario, world: simloom.World, order: StepScheduler, folder: Path
    ) -> None:
        self.scenario = scenario
        self.world = world
        self.order = order
        self.folder = folder
        self.history = History()
        self.processes: dict[str, Process] = {}
        self.nobody = ProcessResources()
        self.emulator: Emulator | None = None
        self.faults_ended = False
        self._forgeries: asyncio.Queue[Exchange] | None = None
        self._rng = random.Random(f"{self.scenario.seed} fate")
        self._up, self._done = asyncio.Event(), asyncio.Event()
        self.gateway = Gateway(
            vendor=self.scenario.vendor,
            upstream=f"http://127.0.0.1:{VENDOR_PORT}",
            seed=self.scenario.seed,
            now=lambda: self.world.time,
            record_at=self._record_at,
            on_post=self._on_post,
            faults=self.scenario.gateway_faults,
            log=self.history.exchanges,
        )
        self.callback_proxy = CallbackProxy(
            seed=self.scenario.seed,
            receiver=f"http://127.0.0.1:{RECEIVER_PORT}",
            hold_share=self.scenario.held_callbacks,
        )
        self._service = Service(
            scenario=self.scenario,
            history=self.history,
            folder=self.folder,
            done=self._done,
            now=lambda: self.world.time,
            starts=lambda: self.processes["service"].starts,
        )
        for name, work in (
            ("vendor", self._vend),
            ("gateway", self.gateway.serve),
            ("callback_proxy", self.callback_proxy.serve),
            ("service", self._serve),
            ("other_user", self._change_as_other_user),
            ("forger", self._forge),
            ("second", self._service.second),
        ):
            process = Process(self.world, name, work, neighbours=self.everybody)
            self.processes[name] = process

    def violations(self) -> list[str]:
        """What the audit finds once it has run."""
        return audit(self.scenario, self.history)

    def everybody(self) -> list[ProcessResources]:
        """Resources of all processes."""
        return [self.nobody, *(process.resources for process in self.processes.values())]

    def owner(self) -> ProcessResources:
        """Resources of the running process."""
        from simloom._context import current_host

        host = current_host.get()
        return self.nobody if host is None else self.processes[host.name].resources

    # The vendor.

    async def _vend(self) -> None:
        scenario = self.scenario
        keeps = scenario.vendor_kills > 0
        faults = Faults() if self.faults_ended else Faults(seed=scenario.seed, **scenario.faults)
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
            if not self.history.state_changes:
                for sid in [*store]:
                    store.put(evolve(store[sid], status=scenario.start))
                    self._record_change(None, store[sid])
                emulator.expire_tokens()  # which commits; there are none yet
            store.watch(self._record_change)
            self._up.set()
            await asyncio.Event().wait()

    def _record_change(self, before: Any, after: Any) -> None:
        """Record a change of a SIM."""
        change = StateChange(
            self.world.time,
            after.sid,
            None if before is None else _shown(before),
            _shown(after),
        )
        self.history.state_changes.append(change)
        self._say(f"vendor: {after.sid[:6]} is {after.status}")

    def _record_at(self, sid: str, moment: float) -> Mapping[str, Any] | None:
        found = self.history.at(sid, moment)
        if found is None:
            return None
        fields = dict(found)
        fields["date_updated"] = fields["date_updated"].strftime("%Y-%m-%dT%H:%M:%SZ")
        return fields

    # The client's process, and its kills.

    async def _serve(self) -> None:
        service = self._service
        try:
            await service.run()
        except Exception as error:
            self.history.errors.append(f"the process ended with {error!r}")
            self._done.set()
            raise

    def _plan_kill(self) -> None:
        """Choose when the service is killed next."""
        self._cause, self._countdown, self._extra = "", 0, 0
        service = self.processes["service"]
        if service.kills >= self.scenario.kills or self.faults_ended:
            return
        self._cause = self._rng.choice(("steps", "steps", "post", "posted", "commit"))
        self._extra = self._rng.randint(0, 40)
        self._countdown = self._rng.randint(1, 2 * self.scenario.sims)
        if self._cause == "steps":
            self.order.in_steps(int(10 ** self._rng.uniform(1.0, 3.6)), self._kill)

    def _on_post(self, what: str, exchange: Exchange) -> None:
        self._say(f"gateway: {what} {exchange.path[-8:]} {exchange.form.get('Status', '')}")
        if what == "post" and "CallbackUrl" in exchange.form:
            self._queue_forgery(exchange)
        if what == "posted":
            self.callback_proxy.release(exchange)
        self._happened(what)

    def _happened(self, what: str) -> None:
        """Kill the service if this is the event to kill it at."""
        if what == self._cause:
            self._countdown -= 1
            if self._countdown == 0:
                self.order.in_steps(self._extra, self._kill)

    def _kill(self) -> None:
        service = self.processes["service"]
        if not service.alive or self.faults_ended or self._done.is_set():
            return
        service.kill()
        self._say(f"the service is killed at {self._cause} (kill {service.kills})")
        pause = self._rng.choice((0.1, 1.0, 20.0, 60.0))
        asyncio.get_running_loop().call_later(pause, self._restart)

    def _restart(self) -> None:
        service = self.processes["service"]
        self._say(f"the service restarts (start {service.starts + 1})")
        service.start()
        self._plan_kill()

    # Disturbances.

    async def _change_as_other_user(self) -> None:
        """Change SIMs as another user would, not through the gateway."""
        assert self.emulator is not None
        requests = {"supersim": ("active", "inactive"), "wireless": ("active", "suspended")}
        for _ in range(self.scenario.other_user_changes):
            await asyncio.sleep(self._rng.uniform(0.0, 60.0))
            sid = self._rng.choice(self.history.goals).sid
            status = self._rng.choice(requests[self.scenario.product])
            self.history.changed_by_others.add(sid)
            self._say(f"other user: {sid[:6]} is to be {status}")
            async with self.emulator.client(self.scenario.vendor) as client:
                sims: Any = getattr(client, self.scenario.product).sims
                try:
                    await sims.update(sid, status=status)
                except Exception as error:  # noqa: BLE001  # the other user's errors do not count
                    self._say(f"other user: {error!r}")

    def _queue_forgery(self, exchange: Exchange) -> None:
        if self._rng.random() < self.scenario.forged_callbacks and self._forgeries is not None:
            self._forgeries.put_nowait(exchange)

    async def _forge(self) -> None:
        """Send forged callbacks: unsigned, signed wrongly, by GET."""
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
                method = self._rng.choice(("GET", "GET", "POST") if kore else ("GET", "POST"))
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
        """Partition the network, reset connections, void tokens, kill the vendor."""
        scenario, rng = self.scenario, self._rng
        troubles = ["partition"] * scenario.partitions + ["reset"] * scenario.resets
        troubles += ["vendor"] * scenario.vendor_kills + ["expiry"] * scenario.expiries
        rng.shuffle(troubles)
        for trouble in troubles:
            await asyncio.sleep(10 ** rng.uniform(-1.0, 1.6))
            await getattr(self, f"_{trouble}")()

    async def _partition(self) -> None:
        hosts = {name: process.host for name, process in self.processes.items()}
        cut_off = self._rng.choice(("gateway", "callback_proxy"))
        self.history.disturbed = True
        self._say(f"partition: service | {cut_off}")
        self.world.net.partition([hosts["service"]], [hosts[cut_off]])
        await asyncio.sleep(10 ** self._rng.uniform(-0.5, 1.5))
        self.world.net.heal()
        self._say("the partition heals")

    async def _reset(self) -> None:
        hosts = {name: process.host for name, process in self.processes.items()}
        self._say("connections are reset")
        self.world.net.reset_connections(hosts["service"], hosts["gateway"])
        self.history.disturbed = True

    async def _expiry(self) -> None:
        if self.emulator is not None and self.processes["vendor"].alive:
            self._say("all tokens expire")
            self.emulator.expire_tokens()

    async def _vendor(self) -> None:
        vendor = self.processes["vendor"]
        self.order.in_steps(1, vendor.kill)
        self._say("the vendor is killed")
        self.history.disturbed = True
        await asyncio.sleep(10 ** self._rng.uniform(-1.0, 1.5))
        vendor.start()

    def _end_faults(self) -> None:
        self._say("nothing goes wrong from here on")
        self.faults_ended = True
        self.gateway.faults, self.callback_proxy.hold_share = NO_FAULTS, 0.0
        self.world.net.heal()
        if self.emulator is not None:
            self.emulator.faults = Faults()

    # The whole run.

    async def run(self) -> None:
        """Run the world until all work is done."""
        self.world.net.set_latency(*self.scenario.latency)
        self.processes["vendor"].start()
        await self._up.wait()
        self.processes["gateway"].start()
        self.processes["callback_proxy"].start()
        self._make_goals()
        self._plan_kill()
        for name, wanted in (
            ("forger", self.scenario.forged_callbacks),
            ("other_user", self.scenario.other_user_changes),
            ("second", self.scenario.second),
        ):
            if wanted:
                self.processes[name].start()
        await asyncio.sleep(0.5)
        self.processes["service"].start()
        disturbing = asyncio.create_task(self._disturb(), name="disturb")
        asyncio.get_running_loop().call_later(FAULTS_END_AT, self._end_faults)
        try:
            async with asyncio.timeout(MUST_END_BY):
                await self._done.wait()
        except TimeoutError:
            where = ", ".join(_where(task) for task in asyncio.all_tasks())
            late = f"not done after {MUST_END_BY:g} virtual seconds; tasks at {where}"
            self.history.errors.append(late)
        self.history.ended = self.world.time
        disturbing.cancel()
        self.history.kills = self.processes["service"].killed_at
        self.history.vendor_kills = self.processes["vendor"].kills
        self.history.existing = {name for sim in self._sims() for name in (sim.sid, sim.iccid)}

    def _sims(self) -> Any:
        assert self.emulator is not None
        return self.emulator.world(self.scenario.vendor).sims(self.scenario.product).values()

    def _make_goals(self) -> None:
        assert self.emulator is not None
        world = self.emulator.world(self.scenario.vendor)
        owned: Any = world.fleets if self.scenario.product == "supersim" else world.rate_plans
        self.history.names = {one.unique_name: one.sid for one in owned.values()}
        if self.scenario.work == "registers":
            for _ in range(self.scenario.sims):
                card = world.add_registrable()
                goal = Goal(card.iccid, {"registration_code": card.registration_code})
                self.history.goals.append(goal)
            self.emulator.expire_tokens()  # which commits; there are none yet
            return
        text = "command" if self.scenario.product == "wireless" else "payload"
        sends = self.scenario.work in ("texts", "creates")
        for number, sid in enumerate(world.sims(self.scenario.product)):
            nothing: Mapping[str, Any] = {}
            wanted = self.scenario.goals or (nothing,)
            for one in ({text: f"text {number}"},) if sends else wanted:
                self.history.goals.append(Goal(sid, one))

    def committed(self) -> None:
        """Note a commit of the service's journal."""
        self._happened("commit")

    def _say(self, text: str) -> None:
        self.history.lines.append(f"{self.world.time:9.3f}  {text}")


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
