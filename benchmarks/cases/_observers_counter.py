"""Run under valgrind by the benchmark `observers`: a marked turn of each case; see `COUNTED`.

`BASE_URL`: of the stub.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from asyncsim import Client, Hosts, Throttle
from asyncsim.events import Observer
from asyncsim.observers import Log, Tally
from asyncsim.observers.otel import OpenTelemetry
from asyncsim.observers.prometheus import Prometheus
from benchmarks.callgrind import mark
from benchmarks.peers.verbs import ACCOUNT, CHANGES, TOKEN, Verb, send
from benchmarks.workers import loop_factory

_REQUESTS, _IN_FLIGHT = 300, 32
OBSERVERS: dict[str, Callable[[], Sequence[Observer]]] = {
    "none": lambda: (),
    "OpenTelemetry without an SDK": lambda: (OpenTelemetry(),),
    "log, its level off": lambda: (Log(),),
    "Tally": lambda: (Tally(),),
    "Prometheus": lambda: (Prometheus(registry=CollectorRegistry()),),
    "OpenTelemetry, spans recorded": lambda: (OpenTelemetry(tracer_provider=TracerProvider()),),
}
COUNTED = [(name, verb) for name in OBSERVERS for verb in ("fetch", "update")]
"""The turns counted, in this order."""


def _verb(sims: Any, verb: str) -> Verb:
    changes = CHANGES["supersim"] if verb == "update" else {}

    async def one(sid: str) -> str:
        found: str = (await getattr(sims, verb)(sid, **changes)).sid
        return found

    return one


async def _count(base: str, name: str, verb: str) -> None:
    throttle = Throttle(limit=_IN_FLIGHT, maximum=1024)
    observers = OBSERVERS[name]()
    hosts = Hosts(supersim=base)
    async with Client.twilio(
        ACCOUNT, TOKEN, hosts=hosts, throttle=throttle, observers=observers
    ) as client:
        one = _verb(client.supersim.sims, verb)
        await send(one, _REQUESTS, _IN_FLIGHT)
        gc.collect()
        gc.freeze()  # otherwise a full collection would hit some turns only
        mark()
        await send(one, _REQUESTS, _IN_FLIGHT)
        mark()


if __name__ == "__main__":
    logging.getLogger("asyncsim").setLevel(logging.WARNING)
    for name, verb in COUNTED:
        with asyncio.Runner(loop_factory=loop_factory(speed=False)) as runner:
            runner.run(_count(sys.argv[1], name, verb))
