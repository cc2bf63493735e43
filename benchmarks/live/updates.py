"""Updates by real clients, which do not know the vendor's limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from asyncsim import Client, Hosts, Throttle
from benchmarks.clock import FastClock
from benchmarks.live.account import Pace
from benchmarks.live.process import counts, serving
from benchmarks.simulated.limiter import Sent, bound_of
from benchmarks.stub.responses import ACCOUNT, sid
from benchmarks.workers import loop_factory

_WORKERS = 300  # enough for a queue at all times, so that the limit is measured


_FASTER = 0.5  # model seconds per real one: a request is about 0.3 ms of work on each side


async def _send(url: str, numbers: range) -> None:
    hosts = Hosts(supersim=url)
    clock, throttle = FastClock(_FASTER), Throttle()
    async with Client.twilio(
        ACCOUNT, "secret", hosts=hosts, throttle=throttle, clock=clock
    ) as client:
        names = iter([sid(number) for number in numbers])
        async with asyncio.TaskGroup() as workers:
            for _ in range(_WORKERS):
                workers.create_task(_work(client, names))


async def _work(client: Client, names: Iterator[str]) -> None:
    for name in names:
        sim = await client.supersim.sims.update(name, status="active")
        assert sim.sid == name, "a response was about another SIM"


async def _all(url: str, shares: Sequence[int]) -> tuple[float, int]:
    starts = [sum(shares[:at]) for at in range(len(shares))]
    began = time.perf_counter()
    async with asyncio.timeout(120), asyncio.TaskGroup() as clients:
        for start, many in zip(starts, shares, strict=True):
            clients.create_task(_send(url, range(start, start + many)))
    return (time.perf_counter() - began) * _FASTER, (await counts(url))["meter"]["throttled"]


def fan_out(
    shares: Sequence[int],
    phases: Sequence[tuple[float, int]],
    *,
    chain: str = "",
    speed: bool = False,
) -> Sent:
    """Send each client's share of updates; over TLS if `chain` names a certificate file."""
    total, pace = sum(shares), Pace(phases=tuple(phases))
    with (
        serving(ours=total, phases=list(phases), chain=chain, single=0.05, faster=_FASTER) as url,
        asyncio.Runner(loop_factory=loop_factory(speed=speed)) as runner,
    ):
        seconds, throttled = runner.run(_all(url, shares))
    return Sent(seconds=seconds, throttled=throttled / total, bound=bound_of(total, pace.slots))
