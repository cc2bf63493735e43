"""What the client's process does, in each of its lives: the same work, until it is done.

A life knows nothing of the one before but what is on disk, and the wishes, as a caller's own
database would have them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from attrs import define

from asyncsim import CallbackReceiver, Client, Timeout, Watching, bulk
from asyncsim.errors import AsyncSimError, JobError, JournalError
from asyncsim.events import Event, RowMoved
from asyncsim.vendors import EMULATOR_CREDENTIALS, VENDORS, emulator_hosts
from tests.simulation import postman
from tests.simulation.clock import SkewedClock
from tests.simulation.edge import PORT
from tests.simulation.notebook import Notebook, Try, Wish
from tests.simulation.scenario import Scenario

LISTENS_AT = 8080
TIMEOUT = Timeout(request=10.0, connect=3.0, queue=60.0)
_AGAIN = 15.0
"""Seconds until somebody runs it again who was told that it is not done."""
_ACTIONS = {"job": "update", "texts": "send", "registers": "register", "deletes": "delete"}
OPEN = frozenset({"read", "ready", "sending", "accepted", "timed out", "no answer"})


@define(eq=False)
class Service:
    """One process' work."""

    scenario: Scenario
    notebook: Notebook
    folder: Path
    done: asyncio.Event
    now: Callable[[], float]
    life: Callable[[], int]
    passes: int = 0

    async def live(self) -> None:
        """Do what is left to do; return when nothing is."""
        scenario = self.scenario
        clock = SkewedClock(start=1000.0 * self.life(), skew=scenario.skew)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._client(clock))
            works = {"many": self._many, "waits": self._waits, "creates": self._creates}
            await works.get(scenario.work, self._job)(client, clock)
        self.done.set()

    async def second(self) -> None:
        """Be an impatient colleague, who starts the same job once more."""
        clock = SkewedClock(start=77.0)
        while not self.done.is_set():
            await asyncio.sleep(_AGAIN)
            async with self._client(clock, listens=False) as client:
                try:
                    await self._run_job(client, clock)
                except JournalError:
                    continue
                except AsyncSimError as error:
                    self._check_job_error(error)

    def _client(self, clock: SkewedClock, *, listens: bool = True) -> Client:
        scenario = self.scenario
        settings: dict[str, Any] = {
            "hosts": emulator_hosts(f"http://127.0.0.1:{PORT}", VENDORS[scenario.vendor]),
            "clock": clock,
            "timeout": TIMEOUT,
            "watching": Watching(sweep_from=scenario.sweep_from),
        }
        if scenario.listens and listens:
            settings["receiver"] = CallbackReceiver(
                f"http://127.0.0.1:{postman.PORT}",
                port=LISTENS_AT,
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

    # A job, whose journal is all that the next life has.

    async def _job(self, client: Client, clock: SkewedClock) -> None:
        while True:
            try:
                if await self._run_job(client, clock):
                    return
            except AsyncSimError as error:
                self._check_job_error(error)
            await asyncio.sleep(_AGAIN)

    def _check_job_error(self, error: AsyncSimError) -> None:
        if isinstance(error, JobError):
            self.notebook.complaints.append(f"the job ended with {error!r}")

    async def _run_job(self, client: Client, clock: SkewedClock) -> bool:
        path, scenario = self.folder / "job.db", self.scenario
        naming = "iccid" if scenario.work == "registers" else "sid"
        rows: list[Any] = [{naming: one.sid, **one.change} for one in self.notebook.wishes]
        job = bulk.Job.from_rows(
            rows,
            product=scenario.product,
            action=_ACTIONS[scenario.work],
            columns=sorted(self.notebook.wishes[0].change),
        )
        async with bulk.Journal.open(path, clock=clock) as journal:
            for wish in self.notebook.wishes:
                wish.tries.append(Try(self.now()))
            await bulk.run(
                job,
                client,
                journal=journal,
                timeout=scenario.timeout,
                confirm=lambda plan: True,
                observers=[self._hear],
            )
            results = [result async for result in journal.results()]
        if any(result.state in OPEN for result in results):
            return False
        for wish, result in zip(self.notebook.wishes, results, strict=True):
            wish.state, wish.error = str(result.state), result.error_type
        return True

    def _hear(self, event: Event) -> None:
        if isinstance(event, RowMoved):
            wish = self.notebook.wishes[event.row - 1]
            wish.told.append((self.now(), event.state))
            self._say(f"row {event.row} {event.state} {event.error or ''} {event.settled_by or ''}")

    # Without a journal: whoever does not know how it went, wishes again.

    async def _many(self, client: Client, clock: SkewedClock) -> None:
        """Fulfil the first wishes of all SIMs, then the second ones."""
        for place in range(len(self.scenario.wishes)):
            wave = self.notebook.wishes[place :: len(self.scenario.wishes)]
            while wishes := {one.sid: one for one in wave if not self._is_over(one)}:
                for wish in wishes.values():
                    wish.tries.append(Try(self.now()))
                changes = {sid: self._asked(wish.change) for sid, wish in wishes.items()}
                sims = self._sims(client)
                async for outcome in sims.update_many(changes, timeout=self.scenario.timeout):
                    self._end(wishes[outcome.sid], outcome.error)
                if not all(one.is_over for one in wishes.values()):
                    await asyncio.sleep(_AGAIN)

    def _is_over(self, wish: Wish) -> bool:
        """Whether nobody tries any more: it has ended, or one before it has ended badly."""
        before = self.notebook.wishes[: self.notebook.wishes.index(wish)]
        return wish.is_over or any(one.sid == wish.sid and not one.is_fulfilled for one in before)

    def _asked(self, change: Mapping[str, Any]) -> dict[str, Any]:
        method = {"callback_method": "GET"} if self.scenario.asks_by_get else {}
        return {**change, **method}

    def _end(self, wish: Wish, error: Exception | None) -> None:
        last = wish.tries[-1]
        last.ended, last.error, last.ok = self.now(), error, error is None
        self._say(f"{wish.sid[:6]} {dict(wish.change)} ended: {error!r}")

    async def _waits(self, client: Client, clock: SkewedClock) -> None:
        by_sid: dict[str, list[Wish]] = {}
        for wish in self.notebook.wishes:
            by_sid.setdefault(wish.sid, []).append(wish)
        async with asyncio.TaskGroup() as group:
            for number, wishes in enumerate(by_sid.values()):
                group.create_task(self._one_by_one(client, wishes, in_two=number % 2 == 1))

    async def _one_by_one(self, client: Client, wishes: list[Wish], *, in_two: bool) -> None:
        """Fulfil the wishes of one SIM in their order, each until it is known how it went."""
        for wish in wishes:
            while not wish.is_over:
                wish.tries.append(Try(self.now()))
                try:
                    await self._change(client, wish, in_two=in_two)
                except AsyncSimError as error:
                    self._end(wish, error)
                    await asyncio.sleep(_AGAIN)
                else:
                    self._end(wish, None)
            if not wish.tries[-1].ok:
                return

    async def _change(self, client: Client, wish: Wish, *, in_two: bool) -> None:
        sims, asked = self._sims(client), self._asked(wish.change)
        timeout = self.scenario.timeout
        if not in_two:
            await sims.update_and_wait(wish.sid, **asked, timeout=timeout)
            return
        sim = await sims.update(wish.sid, **asked)
        began = self.now()
        try:
            await sims.await_transition(sim, timeout=timeout)
        finally:
            late = self.now() - began - timeout
            if late > TIMEOUT.request + 1.0:  # which the last read may take
                self.notebook.complaints.append(f"{wish.sid}: a deadline was {late:g} s late")

    # Texts, each sent by one call; whoever dies meanwhile will never know.

    async def _creates(self, client: Client, clock: SkewedClock) -> None:
        async with asyncio.TaskGroup() as group:
            for wish in self.notebook.wishes:
                if not wish.tries:
                    wish.tries.append(Try(self.now()))
                    group.create_task(self._create(client, wish))

    async def _create(self, client: Client, wish: Wish) -> None:
        wireless = self.scenario.product == "wireless"
        kind: Any = client.wireless.commands if wireless else client.supersim.sms_commands
        try:
            await kind.send_and_wait(sim=wish.sid, **wish.change, timeout=self.scenario.timeout)
        except AsyncSimError as error:
            self._end(wish, error)
        else:
            self._end(wish, None)

    def _say(self, text: str) -> None:
        self.notebook.lines.append(f"{self.now():9.3f}  {text}")
