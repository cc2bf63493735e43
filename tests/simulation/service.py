"""The client's process: the same work after each start, until it is done.

A restarted process knows only what is on disk, and the goals, as a caller's own database would
have them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from attrs import define

from asyncsim import CallbackReceiver, Client, Timeout, Watching, bulk
from asyncsim.errors import AsyncSimError, JobError, JournalError
from asyncsim.events import Event, RowMoved
from asyncsim.vendors import EMULATOR_CREDENTIALS, VENDORS, emulator_hosts
from tests.simulation import callback_proxy
from tests.simulation.clock import SkewedClock
from tests.simulation.gateway import PORT
from tests.simulation.history import Attempt, Goal, History
from tests.simulation.scenario import Scenario

RECEIVER_PORT = 8080
TIMEOUT = Timeout(request=10.0, connect=3.0, queue=60.0)
_RETRY_AFTER = 15.0
"""Seconds until unfinished work is run again."""
_ACTIONS = {"job": "update", "texts": "send", "registers": "register", "deletes": "delete"}
OPEN = frozenset({"read", "ready", "sending", "accepted", "timed out", "no answer"})


@define(eq=False)
class Service:
    """The work of the client's process."""

    scenario: Scenario
    history: History
    folder: Path
    done: asyncio.Event
    now: Callable[[], float]
    starts: Callable[[], int]

    async def run(self) -> None:
        """Do the remaining work; return when all is done."""
        scenario = self.scenario
        clock = SkewedClock(start=1000.0 * self.starts(), skew=scenario.skew)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._client(clock))
            works = {"many": self._many, "waits": self._waits, "creates": self._creates}
            await works.get(scenario.work, self._job)(client, clock)
        self.done.set()

    async def second(self) -> None:
        """Start the same job once more, as an impatient user would."""
        clock = SkewedClock(start=77.0)
        while not self.done.is_set():
            await asyncio.sleep(_RETRY_AFTER)
            async with self._client(clock, has_receiver=False) as client:
                try:
                    await self._run_job(client, clock)
                except JournalError:
                    continue
                except AsyncSimError as error:
                    self._check_job_error(error)

    def _client(self, clock: SkewedClock, *, has_receiver: bool = True) -> Client:
        scenario = self.scenario
        settings: dict[str, Any] = {
            "hosts": emulator_hosts(f"http://127.0.0.1:{PORT}", VENDORS[scenario.vendor]),
            "clock": clock,
            "timeout": TIMEOUT,
            "watching": Watching(sweep_from=scenario.sweep_from),
        }
        if scenario.has_receiver and has_receiver:
            settings["receiver"] = CallbackReceiver(
                f"http://127.0.0.1:{callback_proxy.PORT}",
                port=RECEIVER_PORT,
                kore_webhook_secrets=[EMULATOR_CREDENTIALS.webhook_secret],
                clock=clock,
            )
        if scenario.vendor == "kore":
            own = EMULATOR_CREDENTIALS.client_id, EMULATOR_CREDENTIALS.client_secret
            return Client.kore(*own, **settings)
        return Client.twilio(
            EMULATOR_CREDENTIALS.account_sid, EMULATOR_CREDENTIALS.auth_token, **settings
        )

    def _sims(self, client: Client) -> Any:
        return getattr(client, self.scenario.product).sims

    # A job, whose journal is all that the next process has.

    async def _job(self, client: Client, clock: SkewedClock) -> None:
        while True:
            try:
                if await self._run_job(client, clock):
                    return
            except AsyncSimError as error:
                self._check_job_error(error)
            await asyncio.sleep(_RETRY_AFTER)

    def _check_job_error(self, error: AsyncSimError) -> None:
        if isinstance(error, JobError):
            self.history.errors.append(f"the job ended with {error!r}")

    async def _run_job(self, client: Client, clock: SkewedClock) -> bool:
        path, scenario = self.folder / "job.db", self.scenario
        naming = "iccid" if scenario.work == "registers" else "sid"
        rows: list[Any] = [{naming: one.sid, **one.change} for one in self.history.goals]
        job = bulk.Job.from_rows(
            rows,
            product=scenario.product,
            action=_ACTIONS[scenario.work],
            columns=sorted(self.history.goals[0].change),
        )
        async with bulk.Journal.open(path, clock=clock) as journal:
            for goal in self.history.goals:
                goal.attempts.append(Attempt(self.now()))
            await bulk.run(
                job,
                client,
                journal=journal,
                timeout=scenario.timeout,
                confirm=lambda plan: True,
                observers=[self._on_event],
            )
            results = [result async for result in journal.results()]
        if any(result.state in OPEN for result in results):
            return False
        for goal, result in zip(self.history.goals, results, strict=True):
            goal.state, goal.error = str(result.state), result.error_type
        return True

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RowMoved):
            goal = self.history.goals[event.row - 1]
            goal.reported.append((self.now(), event.state))
            self._say(f"row {event.row} {event.state} {event.error or ''} {event.settled_by or ''}")

    # Without a journal: a goal whose outcome is unknown is attempted again.

    async def _many(self, client: Client, clock: SkewedClock) -> None:
        """Reach the first goals of all SIMs, then the second ones."""
        for place in range(len(self.scenario.goals)):
            wave = self.history.goals[place :: len(self.scenario.goals)]
            while goals := {one.sid: one for one in wave if not self._is_over(one)}:
                for goal in goals.values():
                    goal.attempts.append(Attempt(self.now()))
                changes = {sid: self._params(goal.change) for sid, goal in goals.items()}
                sims = self._sims(client)
                async for outcome in sims.update_many(changes, timeout=self.scenario.timeout):
                    self._end(goals[outcome.sid], outcome.error)
                if not all(one.is_over for one in goals.values()):
                    await asyncio.sleep(_RETRY_AFTER)

    def _is_over(self, goal: Goal) -> bool:
        """Whether no further attempt is made: it has ended, or one before it has failed."""
        before = self.history.goals[: self.history.goals.index(goal)]
        return goal.is_over or any(one.sid == goal.sid and not one.is_reached for one in before)

    def _params(self, change: Mapping[str, Any]) -> dict[str, Any]:
        method = {"callback_method": "GET"} if self.scenario.callbacks_by_get else {}
        return {**change, **method}

    def _end(self, goal: Goal, error: Exception | None) -> None:
        last = goal.attempts[-1]
        last.ended, last.error, last.ok = self.now(), error, error is None
        self._say(f"{goal.sid[:6]} {dict(goal.change)} ended: {error!r}")

    async def _waits(self, client: Client, clock: SkewedClock) -> None:
        by_sid: dict[str, list[Goal]] = {}
        for goal in self.history.goals:
            by_sid.setdefault(goal.sid, []).append(goal)
        async with asyncio.TaskGroup() as group:
            for number, goals in enumerate(by_sid.values()):
                ways = (self._in_one, self._in_two, self._in_one, self._by_token)
                group.create_task(self._one_by_one(client, goals, ways[number % 4]))

    async def _one_by_one(
        self,
        client: Client,
        goals: list[Goal],
        reach: Callable[[Client, Goal], Awaitable[None]],
    ) -> None:
        """Reach the goals of one SIM in order, each until its outcome is known."""
        for goal in goals:
            while not goal.is_over:
                goal.attempts.append(Attempt(self.now()))
                try:
                    await reach(client, goal)
                except AsyncSimError as error:
                    self._end(goal, error)
                    await asyncio.sleep(_RETRY_AFTER)
                else:
                    self._end(goal, None)
            if not goal.attempts[-1].ok:
                return

    async def _in_one(self, client: Client, goal: Goal) -> None:
        asked, timeout = self._params(goal.change), self.scenario.timeout
        await self._sims(client).update_and_wait(goal.sid, **asked, timeout=timeout)

    async def _by_token(self, client: Client, goal: Goal) -> None:
        """Store the token before anything is sent; a restarted process resumes it."""
        if goal.token is None:
            asked, timeout = self._params(goal.change), self.scenario.timeout
            prepared = await self._sims(client).prepare_update(goal.sid, **asked, timeout=timeout)
            goal.token, wait = prepared.token, prepared
            try:
                await prepared.send()
            except AsyncSimError as error:
                if not error.outcome_unknown:
                    goal.token = None
                    raise
        else:
            goal.attempts[-1].resumed = True
            wait = client.resume(goal.token)
        try:
            await wait
        except AsyncSimError:
            goal.token = None  # its deadline has passed, or it has failed
            raise

    async def _in_two(self, client: Client, goal: Goal) -> None:
        sims, asked = self._sims(client), self._params(goal.change)
        timeout = self.scenario.timeout
        sim = await sims.update(goal.sid, **asked)
        began = self.now()
        try:
            await sims.await_transition(sim, timeout=timeout)
        finally:
            late = self.now() - began - timeout
            if late > TIMEOUT.request + 1.0:  # the time that the last read may take
                self.history.errors.append(f"{goal.sid}: a deadline was {late:g} s late")

    # Texts, each sent by one call; a process killed meanwhile never learns the outcome.

    async def _creates(self, client: Client, clock: SkewedClock) -> None:
        async with asyncio.TaskGroup() as group:
            for goal in self.history.goals:
                if not goal.attempts:
                    goal.attempts.append(Attempt(self.now()))
                    group.create_task(self._create(client, goal))

    async def _create(self, client: Client, goal: Goal) -> None:
        wireless = self.scenario.product == "wireless"
        kind: Any = client.wireless.commands if wireless else client.supersim.sms_commands
        try:
            await kind.send_and_wait(sim=goal.sid, **goal.change, timeout=self.scenario.timeout)
        except AsyncSimError as error:
            self._end(goal, error)
        else:
            self._end(goal, None)

    def _say(self, text: str) -> None:
        self.history.lines.append(f"{self.now():9.3f}  {text}")
