"""A service that uses everything public. Both type checkers must accept every line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, assert_type

import asyncsim
from asyncsim import bulk
from asyncsim.clock import ManualClock
from asyncsim.emulator import (
    Behaviour,
    Emulator,
    Faults,
    Latency,
    RequestRecord,
    ThreadedEmulator,
)
from asyncsim.events import Event
from asyncsim.observers import Log, Recorder, Tally, log
from asyncsim.observers.otel import OpenTelemetry
from asyncsim.observers.prometheus import Prometheus

ACTIVATION: asyncsim.supersim.SimUpdate = {"status": "active", "fleet": "default"}
DRAFT: asyncsim.wireless.RatePlanCreate = {"unique_name": "meters", "data_enabled": True}
WANTED: asyncsim.supersim.RequestableStatus = "inactive"
NEWEST: asyncsim.supersim.SimFilter = {"status": "new", "page_size": 1000}


class Service:
    """Changes SIMs on request, and finishes waits that another process has started."""

    def __init__(self, client: asyncsim.Client, tokens: dict[str, str]) -> None:
        self._client = client
        self._tokens = tokens
        self._tasks: set[asyncio.Task[asyncsim.supersim.Sim]] = set()

    async def activate(self, sid: str) -> asyncsim.supersim.Sim:
        wait = await self._client.supersim.sims.prepare_update(sid, timeout=900, **ACTIVATION)
        self._tokens[sid] = wait.token
        sent = await wait.send()
        task = asyncio.create_task(self._finish(wait))
        self._tasks.add(task)
        return sent

    async def _finish(
        self, wait: asyncsim.PreparedUpdate[asyncsim.supersim.Sim]
    ) -> asyncsim.supersim.Sim:
        async for seen in wait:
            print(seen.sid, seen.status)
        return await wait

    async def resume(self) -> None:
        for token in self._tokens.values():
            wait = self._client.resume(token)
            settled = await wait
            assert_type(settled, asyncsim.supersim.Sim | asyncsim.wireless.Sim)

    async def suspend(self, sid: str) -> str | None:
        try:
            sim = await self._client.wireless.sims.update_and_wait(sid, status="suspended")
        except (asyncsim.TransitionFailed, asyncsim.Conflict, asyncsim.OutcomeUnknown) as error:
            return str(error)
        assert_type(sim.status, asyncsim.wireless.SimStatus | None)
        return sim.status

    async def replace_plans(self) -> asyncsim.wireless.RatePlan:
        plans = [plan async for plan in self._client.wireless.rate_plans.list()]
        assert_type(plans, list[asyncsim.wireless.RatePlan])
        return await self._client.wireless.rate_plans.create(**DRAFT)

    async def wake(self, sid: str) -> asyncsim.supersim.SmsCommand:
        commands = self._client.supersim.sms_commands
        return await commands.send_and_wait(sim=sid, payload="wake up", until="delivered")

    async def inactivate_all(self) -> dict[str, asyncsim.Outcome[asyncsim.supersim.Sim]]:
        sims = self._client.supersim.sims
        changes = ((sim.sid, {"status": WANTED}) for sim in await sims.list(**NEWEST))
        found: dict[str, asyncsim.Outcome[asyncsim.supersim.Sim]] = {}
        async with sims.update_many(
            {sid: ACTIVATION for sid, _ in changes}, window=100, timeout=60.0
        ) as outcomes:
            async for outcome in outcomes:
                found[outcome.sid] = outcome
        return found

    async def table(self) -> list[dict[str, Any]]:
        page = await self._client.supersim.sims.list()
        assert_type(page, asyncsim.Page[asyncsim.supersim.Sim])
        assert_type(page[0], asyncsim.supersim.Sim)
        rest = self._client.supersim.sims.list(limit=20)
        return page.to_dicts() + await rest.to_dicts()

    async def audit(self, sid: str) -> None:
        async for event in self._client.monitor.events.list():
            assert_type(event, asyncsim.monitor.Event)
        async for change in self._client.wireless.sims.history(sid):
            assert_type(change, asyncsim.monitor.SimEvent)
        async for secret in self._client.webhooks.secrets.list():
            assert_type(secret, asyncsim.webhooks.Secret)

    async def job(self, path: Path) -> bulk.Report:
        job = bulk.Job.from_csv(path, product="supersim", change={"status": "active"})
        async with bulk.Journal.open(path.with_suffix(".db")) as journal:
            report = await bulk.run(job, self._client, journal=journal, breaker=20, progress=True)
            await bulk.write_results(journal, path.with_suffix(""), report)
        report.raise_for_failures()
        return report

    def rotate(self, secret: str) -> None:
        self._client.rotate(auth_token=secret)


def observe(event: Event) -> None:
    print(type(event).__name__)


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    receiver = asyncsim.CallbackReceiver("https://example.com/hooks", port=None)
    async with asyncsim.Client.from_env(
        receiver=receiver,
        ticket_secrets=["new", "old"],
        observers=[Tally(), log, Log(), Recorder(), OpenTelemetry(), Prometheus(), observe],
        timeout=asyncsim.Timeout(request=10.0),
        retry=asyncsim.RetryPolicy(attempts=3),
        throttle=asyncsim.Throttle(maximum=50),
        watching=asyncsim.Watching(sweep_every=5.0).at_speed(2.0),
    ) as client:
        yield Service(client, {})


async def in_a_notebook() -> None:
    client = await asyncsim.connect("kore")
    assert_type(client, asyncsim.Client)
    await client.close()


async def in_async_tests() -> None:
    clock = ManualClock()
    faults, latency = Faults(lost_callbacks=0.1), Latency(transition=5.0)
    behaviour = Behaviour(list_order="oldest")
    async with (
        Emulator(sims=3, faults=faults, latency=latency, behaviour=behaviour, clock=clock) as it,
        it.client("kore", watching=asyncsim.Watching(timeout=60)) as client,
    ):
        assert_type(await Service(client, {}).activate("HS1"), asyncsim.supersim.Sim)
        await clock.advance(3600)


def in_sync_tests(sim_emulator: ThreadedEmulator) -> None:
    sim_emulator.faults = Faults(rate_limited=0.5)
    assert_type(sim_emulator.requests, list[RequestRecord])
    assert_type(sim_emulator.environ, dict[str, str])
    assert_type(sim_emulator.auth, tuple[str, str])
    added = sim_emulator.call(lambda it: it.world("twilio").add_fleet("meters"))
    assert_type(added, asyncsim.supersim.Fleet)
    assert_type(sim_emulator.client("twilio"), asyncsim.Client)
