"""One simulated world of two workers, which are killed, frozen, and cut off from the database."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

import simloom
from simloom._context import current_host

from tests.simulation.gateway import NO_FAULTS, Exchange
from tests.simulation.history import Attempt
from tests.simulation.processes import Process, StepScheduler
from tests.simulation.shared_database import SharedFile
from tests.simulation.workers import Worker
from tests.simulation.workers_auditor import audit_leases
from tests.simulation.workers_history import JobHistory
from tests.simulation.workers_scenario import WORKERS, WorkersScenario
from tests.simulation.world import SimulatedWorld

FAULTS_END_AT = 150.0
"""Seconds after which there are no more faults."""
MUST_END_BY = FAULTS_END_AT + 900.0
_IDLE_IN_TRANSACTION = 5.0
"""Seconds after which PostgreSQL ends the transaction of a process that stands still."""
_SECONDS = (1.0, 4.0, 5.6, 6.5, 8.0, 9.0, 12.0, 30.0)
"""How long a worker is frozen, or cut off from the database."""


class WorkersWorld(SimulatedWorld):
    """The processes of one world, and the faults that hit them."""

    def __init__(
        self, scenario: WorkersScenario, world: simloom.World, order: StepScheduler, folder: Path
    ) -> None:
        super().__init__(scenario.base, world, order, folder)
        self.drawn = scenario
        self.job = JobHistory(folder / "shared.db")
        self.database = SharedFile(
            path=self.job.path,
            link=scenario.link,
            seed=scenario.base.seed,
            process=_running,
            now=lambda: self.world.time,
        )
        self._trigger: tuple[str, str] | None = None
        self._countdown = 0
        self._strike: Callable[[], object] = lambda: None
        self._on_heartbeat: Callable[[str], object] = lambda process: None
        self._submitted = asyncio.Event()
        self._submitter_dies = scenario.submitter_dies
        self.workers = {
            name: Worker(
                scenario=scenario,
                history=self.history,
                skew=skew,
                database=self.database,
                starts=lambda name=name: self.processes[name].starts,  # type: ignore[misc]
            )
            for name, skew in zip(WORKERS, scenario.skews, strict=True)
        }
        works = {name: worker.run for name, worker in self.workers.items()}
        for name, work in {"submitter": self._submit, **works}.items():
            self.processes[name] = Process(self.world, name, work, neighbours=self.everybody)

    async def _submit(self) -> None:
        await self.database.create()
        self.nobody.databases.append(self.job.open())
        try:
            await self.workers[WORKERS[0]].submit()
        except Exception as error:
            self.history.errors.append(f"the job was not submitted: {error!r}")
            self._done.set()
            raise
        finally:
            self._submitted.set()

    def _kill_submitter(self) -> None:
        """Kill it after its hand-over, whatever else it does then."""
        self.processes["submitter"].kill()
        self._say("the submitter is killed")
        self._submitted.set()

    # What happens in the world, seen as it happens.

    def committed(self) -> None:
        """Note a commit of the shared job: the vendor keeps nothing on disk here."""
        if not self.job.is_open:
            return
        process, heartbeats = _running(), self.job.heartbeats
        for line in self.job.committed(self.world.time, process):
            self._say(f"database: {line}")
        if self.job.heartbeats > heartbeats:
            self._on_heartbeat(process)
        self._seen("commit", process)
        if self._submitter_dies is not None and self.job.job_state == "running":
            self.order.in_steps(self._submitter_dies, self._kill_submitter)
            self._submitter_dies = None
        if self.job.job_state == "finished":
            self._done.set()

    def _on_post(self, what: str, exchange: Exchange) -> None:
        self._say(f"gateway: {what} {exchange.path[-8:]} of {exchange.sender}")
        self._seen(what, exchange.sender)

    def _seen(self, what: str, process: str) -> None:
        """Strike if this is the event to strike at."""
        if self._trigger == (what, process):
            self._countdown -= 1
            if self._countdown == 0:
                self._trigger = None
                self.order.in_steps(self._rng.choice((0, 0, 1, 2, 5, 20)), self._strike)

    # Disturbances.

    async def _disturb(self) -> None:
        drawn, rng = self.drawn, self._rng
        troubles = ["kill"] * drawn.kills + ["freeze"] * drawn.freezes
        troubles += ["cut"] * drawn.partitions + ["lag"] * drawn.lags
        rng.shuffle(troubles)
        self.history.disturbed = bool(troubles)
        for trouble in troubles:
            await asyncio.sleep(10 ** rng.uniform(-1.0, 1.2))
            victim = rng.choice(WORKERS)
            if trouble == "lag":
                victim = await self._heartbeat_of(*WORKERS)
            else:
                await self._moment_of(victim)
            if self.faults_ended:
                return
            seconds = rng.choice(_SECONDS)
            self._say(f"{trouble} of {victim}, {seconds:g} s")
            await getattr(self, f"_{trouble}_worker")(victim, seconds)

    async def _moment_of(self, victim: str) -> None:
        """Wait for the worst moment: near a commit or a request of the victim's, or any other."""
        rng, struck = self._rng, asyncio.Event()
        self._strike = struck.set
        self._countdown = rng.randint(1, 4)
        self._trigger = rng.choice(("commit", "commit", "post", "posted")), victim
        try:
            async with asyncio.timeout(rng.choice((0.0, 3.0, 10.0))):
                await struck.wait()
        except TimeoutError:
            self._trigger = None

    async def _kill_worker(self, victim: str, seconds: float) -> None:
        process = self.processes[victim]
        if not process.alive or self.faults_ended:
            return
        process.kill()
        self.history.kills.append(self.world.time)
        asyncio.get_running_loop().call_later(self._rng.choice((0.1, 2.0, 15.0)), process.start)

    async def _freeze_worker(self, victim: str, seconds: float) -> None:
        process = self.processes[victim]
        if not process.alive or self.faults_ended:
            return
        began, freezes = self.world.time, self.job.frozen.setdefault(victim, [])
        freezes.append((began, math.inf))
        self.order.freeze(victim)
        try:
            await asyncio.sleep(min(seconds, _IDLE_IN_TRANSACTION))
            if seconds > _IDLE_IN_TRANSACTION:
                self.database.end_transactions(process.resources)
                await asyncio.sleep(seconds - _IDLE_IN_TRANSACTION)
        finally:
            self.order.thaw(victim)
        freezes[-1] = began, self.world.time
        self._say(f"{victim} goes on")

    async def _cut_worker(self, victim: str, seconds: float) -> None:
        self.database.cut_off.add(victim)
        await asyncio.sleep(seconds)
        self.database.cut_off.discard(victim)
        self._say(f"{victim} reaches the database again")

    async def _lag_worker(self, victim: str, seconds: float) -> None:
        """Delay all replies to a worker, and then let nothing of it arrive: the last still come.

        So its heartbeat is committed as the last one long before the worker hears of it.
        """
        self.database.slow[victim] = self._rng.uniform(2.0, 5.4)
        if self._rng.random() < 0.5:
            await self._heartbeat_of(victim)
        self._say(f"{victim} is not heard any more")
        self.database.unheard.add(victim)
        await asyncio.sleep(seconds)
        self.database.unheard.discard(victim)
        self.database.slow.pop(victim, None)
        self._say(f"{victim} is heard again")

    async def _heartbeat_of(self, *some: str) -> str:
        """Wait for a heartbeat that keeps a chunk of one of them; returns whose it was."""
        beaten: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def note(process: str) -> None:
            if process in some and not beaten.done():
                beaten.set_result(process)

        self._on_heartbeat = note
        try:
            async with asyncio.timeout(10.0):
                return await beaten
        except TimeoutError:
            return some[0]

    def _end_faults(self) -> None:
        self._say("nothing goes wrong from here on")
        self.faults_ended = True
        self.gateway.faults = NO_FAULTS
        self.database.calm()
        if self.emulator is not None:
            self.emulator.faults = type(self.emulator.faults)()

    def violations(self) -> list[str]:
        """What the audit finds once it has run."""
        leases = audit_leases(self.history, self.job, frozenset(WORKERS))
        return [*super().violations(), *leases]

    # The whole run.

    async def run(self) -> None:
        """Run the world until the job is finished."""
        with self.database.installed():
            await self._run()

    async def _run(self) -> None:
        self.world.net.set_latency(*self.scenario.latency)
        self.processes["vendor"].start()
        await self._up.wait()
        self.processes["gateway"].start()
        self._make_goals()
        for goal in self.history.goals:
            goal.attempts.append(Attempt(self.world.time))
        self.processes["submitter"].start()
        await self._submitted.wait()
        for name in WORKERS:
            self.processes[name].start()
        disturbing = asyncio.create_task(self._disturb(), name="disturb")
        asyncio.get_running_loop().call_later(FAULTS_END_AT, self._end_faults)
        try:
            async with asyncio.timeout(MUST_END_BY):
                await self._done.wait()
        except TimeoutError:
            late = f"not done after {MUST_END_BY:g} virtual seconds: job {self.job.job_state}"
            self.history.errors.append(late)
        self.history.ended = self.world.time
        disturbing.cancel()
        self._take_results()

    def _take_results(self) -> None:
        for goal, (state, error) in zip(self.history.goals, self.job.final_rows(), strict=True):
            goal.state, goal.error = state, error
        for write in self.job.writes:
            goal = self.history.goals[write.row - 1]
            goal.reported.append((write.time, write.after))


def _running() -> str:
    """The process that runs now."""
    host = current_host.get()
    return "" if host is None else str(host.name)
