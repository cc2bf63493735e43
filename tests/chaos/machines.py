"""Chaos on many machines: workers, receivers and PostgreSQL are killed, frozen, restarted.

Every process is a real one. What happens when is drawn from a seed: which worker, and at how many
finished SIMs. Each disturbance is recovered from before the next one comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import IO

from attrs import define, field

from tests.chaos.balancer import balanced
from tests.chaos.job_tables import JobTables
from tests.chaos.processes import EmulatorProcess, carried_out, free_port, start

FAULTS = (
    *("--rate-limited", "0.02"),
    *("--server-errors", "0.01"),
    *("--dropped", "0.01"),
    *("--lose-callbacks", "0.1"),
)
LEASE = 6.0
"""Seconds after which a worker that shows no life has lost its chunks."""
_BEAT = 2.0
"""Seconds between two heartbeats."""
_MEDIAN, _WORST = 6.0, 10.0
"""Seconds in which all chunks of a dead worker must have moved: of half of the workers, of all."""
_PATIENCE = 30.0
_EVERY = 0.25
_END = 30.0  # seconds for a graceful stop


@define(eq=False)
class Command:
    """A command that is killed and started again; its output goes to a file."""

    name: str
    arguments: Sequence[str]
    environment: dict[str, str]
    folder: Path
    process: asyncio.subprocess.Process | None = None
    _output: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    async def start(self) -> None:
        self._output = self.log.open("ab")
        self.process = await start(*self.arguments, output=self._output, **self.environment)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it as the loss of its machine would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        if self._output is not None:
            self._output.close()

    async def stop(self) -> int:
        """Stop it gracefully; its exit code."""
        assert self.process is not None
        assert self.process.returncode is None, f"{self.name} has ended: {self.last_lines()}"
        self.process.terminate()
        async with asyncio.timeout(_END):
            return await self.process.wait()

    def last_lines(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:]


@define(eq=False)
class Findings:
    """What an experiment has measured."""

    moved: list[list[float]] = field(factory=list)
    """For each killed or frozen worker, the seconds until each of its chunks was with another."""
    excused: set[str] = field(factory=set)
    """SIDs whose request may have been in flight at a kill or a freeze."""
    disturbances: list[str] = field(factory=list)
    began: float = field(factory=time.monotonic)

    def note(self, text: str) -> None:
        line = f"{time.monotonic() - self.began:6.1f} s  {text}"
        self.disturbances.append(line)
        print(f"  {line}", flush=True)


@define(eq=False)
class Machines:
    """Workers and receivers of one job, each as on a machine of its own."""

    folder: Path
    url: str
    """Of the database."""
    restart_database: Callable[[], object]
    sims: int
    dispatch: str
    seed: int
    chunk_rows: int = 1000
    workers: list[Command] = field(factory=list)
    receivers: list[Command] = field(factory=list)
    findings: Findings = field(factory=Findings)
    emulator: EmulatorProcess = field(init=False)
    tables: JobTables = field(init=False)
    _chance: random.Random = field(init=False)
    _ages: list[float] = field(factory=list)
    """Seconds since its latest heartbeat at which each victim is hit."""
    _started: int = 0
    _public_url: str = ""

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self.emulator = EmulatorProcess(
            self.folder, self.sims, speed=40.0, faults=FAULTS, keeps_state=False
        )
        self.tables = JobTables(self.url)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "ASYNCSIM_EMULATOR": self.emulator.url,
            "ASYNCSIM_EMULATOR_SPEED": f"{self.emulator.speed:g}",
            "ASYNCSIM_JOURNAL": self.url,
        }

    @contextlib.asynccontextmanager
    async def running(self, workers: int, receivers: int) -> AsyncGenerator[None, None]:
        """The job submitted, and all processes started."""
        await self.emulator.start()
        public = free_port()
        ports = [free_port() for _ in range(receivers)]
        try:
            await self.emulator.write_sims(self.folder / "sims.csv")
            await self._run("migrate", "jobs", "migrate")
            await self._run("submit", *self._submission)
            async with balanced(public, ports):
                self._public_url = f"http://127.0.0.1:{public}"
                for port in ports:
                    await self._start_receiver(port)
                for _ in range(workers):
                    await self._start_worker()
                yield
        finally:
            for command in (*self.workers, *self.receivers):
                await command.kill()
            await self.tables.close()
            await self.emulator.kill()

    @property
    def _submission(self) -> Sequence[str]:
        return (
            *("jobs", "submit", str(self.folder / "sims.csv"), "--name", "chaos"),
            *("--chunk-rows", str(self.chunk_rows), "--dispatch", self.dispatch),
            *("--status", "active"),
        )

    async def _run(self, name: str, *arguments: str) -> None:
        """Run a command to its end."""
        command = Command(name, arguments, self._environment, self.folder)
        await command.start()
        assert command.process is not None
        try:
            async with asyncio.timeout(_PATIENCE * 2):
                code = await command.process.wait()
        finally:
            await command.kill()
        assert code == 0, f"{name} ended with {code}: {command.last_lines()}"

    async def _start_receiver(self, port: int) -> None:
        arguments = ("receive", "--listen", str(port), "--public-url", self._public_url)
        name = f"receiver-{port}"
        receiver = Command(name, arguments, self._environment, self.folder)
        await receiver.start()
        self.receivers.append(receiver)

    async def _start_worker(self) -> None:
        self._started += 1
        arguments = (
            *("worker", "--dispatch", self.dispatch, "--chunks", "16"),
            *("--public-url", self._public_url),
        )
        name = f"worker-{self._started}"
        worker = Command(name, arguments, self._environment, self.folder)
        await worker.start()
        self.workers.append(worker)

    # Disturbances.

    async def disturb(self, kills: int) -> None:
        """Kill workers, freeze one, restart PostgreSQL in the middle, kill a receiver."""
        # Spread evenly: if all were hit just after a heartbeat, it alone would decide the times.
        losses = kills + 1
        self._ages = [(k + self._chance.random()) * _BEAT / losses for k in range(losses)]
        self._chance.shuffle(self._ages)
        others = ["worker"] * kills + ["freeze", "receiver"]
        self._chance.shuffle(others)
        middle = len(others) // 2
        plan = [*others[:middle], "database", *others[middle:]]
        moments = sorted(self._chance.uniform(0.02, 0.75) for _ in plan)
        for what, share in zip(plan, moments, strict=True):
            await self._until_done(round(share * self.sims))
            await getattr(self, f"_disturb_{what}")()

    async def _until_done(self, count: int) -> None:
        while (done := await self.tables.done()) < count:
            self._check_alive()
            await asyncio.sleep(_EVERY)
        assert done < self.sims, "the job has ended before all disturbances"

    def _check_alive(self) -> None:
        for command in (*self.workers, *self.receivers):
            assert command.process is not None
            code = command.process.returncode
            assert code is None, f"{command.name} ended with {code}: {command.last_lines()}"

    async def _busy_worker(self) -> Command:
        """One that has chunks, chosen at random."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                self._check_alive()
                busy = [one for one in self.workers if await self.tables.held_by(one.pid)]
                if busy:
                    return self._chance.choice(busy)
                await asyncio.sleep(_EVERY)

    async def _disturb_worker(self) -> None:
        victim = await self._busy_worker()
        await self._until_age(victim)
        self.workers.remove(victim)
        killed_at = time.monotonic()
        await victim.kill()
        held = await self.tables.held_by(victim.pid)
        in_flight = await self.tables.in_flight_of(victim.pid)
        self.findings.excused |= in_flight
        await self._start_worker()
        self.findings.note(f"{victim.name} killed: {len(held)} chunks, {len(in_flight)} in flight")
        self._note_moves(await self.tables.moved(held, killed_at, _PATIENCE))

    async def _disturb_freeze(self) -> None:
        victim = await self._busy_worker()
        await self._until_age(victim)
        frozen_at = time.monotonic()
        victim.signal(signal.SIGSTOP)
        try:
            held = await self.tables.held_by(victim.pid)
            in_flight = await self.tables.in_flight_of(victim.pid)
            self.findings.excused |= in_flight
            self.findings.note(
                f"{victim.name} frozen: {len(held)} chunks, {len(in_flight)} in flight"
            )
            self._note_moves(await self.tables.moved(held, frozen_at, _PATIENCE))
            await asyncio.sleep(max(0.0, frozen_at + LEASE + 1.0 - time.monotonic()))
        finally:
            victim.signal(signal.SIGCONT)
        self.findings.note(f"{victim.name} woken after {time.monotonic() - frozen_at:.1f} s")

    async def _until_age(self, victim: Command) -> None:
        """Wait until the victim's latest heartbeat is as old as planned."""
        age = await self.tables.heartbeat_age(victim.pid)
        await asyncio.sleep((self._ages.pop() - age) % _BEAT)

    def _note_moves(self, seconds: list[float]) -> None:
        if seconds:
            self.findings.moved.append(seconds)
            self.findings.note(f"its chunks moved within {max(seconds):.1f} s")

    async def _disturb_database(self) -> None:
        began = time.monotonic()
        await asyncio.to_thread(self.restart_database)
        self.findings.note(f"PostgreSQL restarted in {time.monotonic() - began:.1f} s")

    async def _disturb_receiver(self) -> None:
        victim = self._chance.choice(self.receivers)
        self.receivers.remove(victim)
        await victim.kill()
        self.findings.note(f"{victim.name} killed")
        await asyncio.sleep(self._chance.uniform(1.0, 3.0))
        await self._start_receiver(int(victim.name.rpartition("-")[2]))

    # The end, and what it must look like.

    async def finish(self, patience: float) -> None:
        """Wait for the end of the job, and stop all processes gracefully."""
        until = time.monotonic() + patience
        while (found := await self.tables.state())[0] == "running":
            self._check_alive()
            states = await self.tables.states()
            assert time.monotonic() < until, f"not finished: {states}"
            await asyncio.sleep(_EVERY)
        self.findings.note(f"the job is {found[0]}")
        assert found[0] == "finished", found
        codes = {one.name: await one.stop() for one in (*self.workers, *self.receivers)}
        assert set(codes.values()) == {0}, codes

    async def check(self) -> None:
        """Every SIM at its target, none updated after that, no duplicate without an excuse."""
        states = await self.tables.states()
        assert set(states) <= {"done", "already"}, states
        assert await self.emulator.statuses() == {"active": self.sims}
        posts = await self.emulator.posts()
        excused = self.findings.excused
        # 200: the SIM had its target status. 83010: its change was in progress.
        late = {one["sid"] for one in posts if carried_out(one) == 200}
        resent = {one["path"].rpartition("/")[2] for one in posts if one["code"] == 83010}
        began = Counter(one["sid"] for one in posts if carried_out(one) == 202)
        print(
            f"  {len(posts):,} POSTs for {self.sims:,} SIMs; in flight at a kill or freeze:"
            f" {len(excused)}, of which {len(resent & excused)} were sent twice and"
            f" {len(late & excused)} were updated after their target"
        )
        assert not late - excused, f"updated after their target: {sorted(late - excused)}"
        assert not resent - excused, f"sent twice without an excuse: {sorted(resent - excused)}"
        assert set(began.values()) == {1}, "a change began twice"
        moved = self.findings.moved
        assert moved, "no chunk had to move, so nothing was measured"
        slowest = [max(seconds) for seconds in moved]
        chunks = [one for seconds in moved for one in seconds]
        median, worst = statistics.median(slowest), max(slowest)
        print(
            f"  {len(chunks)} chunks of {len(moved)} dead or frozen workers moved within"
            f" {statistics.median(chunks):.1f} s (median of the chunks),"
            f" all of a worker's within {median:.1f} s (median) and {worst:.1f} s (worst)",
            flush=True,
        )
        assert median <= _MEDIAN, moved
        assert worst <= _WORST, moved
