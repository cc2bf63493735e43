"""One process of `routing`: `wait`, `receive` or `send`, with its arguments as JSON.

It prints a line when it is ready, begins at a line on stdin, and prints what it measured as JSON.
All use one monotonic clock: they run on one machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncsim import CallbackReceiver, PostgresBus
from asyncsim.callbacks.handler import CallbackHandler
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.goal import Goal
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.vendors import TWILIO
from benchmarks.peers.callback_apps import post, watcher
from benchmarks.workers import loop_factory

PUBLIC = "https://example.com/hooks"
TOKEN = "0" * 32
_CONNECTIONS = 256
_SELDOM = Watching(longest=900.0, safety_every=900.0)
"""Nothing is read in this benchmark."""


def _register(receiver: CallbackReceiver) -> Registration:
    return receiver.register(
        TWILIO, account="AC1", signing_secrets=[TOKEN], ticket_secrets=[b"ticket secret"]
    )


async def _begin(ready: object = None) -> float:
    """Say that it is ready; returns the processor time at the beginning."""
    print(json.dumps(ready), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    return time.process_time()


async def wait(url: str, waits: int, folder: str) -> dict[str, Any]:
    """Wait for each SIM as `update_many` does; the requests for them go to a file."""
    bus = PostgresBus(url)
    async with CallbackReceiver(PUBLIC, port=None, bus=bus) as receiver:
        registration = _register(receiver)
        woken: dict[str, float] = {}
        ended = asyncio.Event()

        def end(done: Transition) -> None:
            woken[done.name] = time.monotonic()
            if len(woken) == waits:
                ended.set()

        watching, goal = watcher(_SELDOM), Goal(SIMS, {"status": "active"})
        registration.subscribe("supersim", watching.handle_callback)
        requests = []
        for number in range(waits):
            sid = f"HS{number:032x}"
            issued, nonce = registration.issue_url("supersim", sid)
            requests.append(post(issued.removeprefix(PUBLIC), issued, number).decode("latin-1"))
            now = SYSTEM_CLOCK.now()
            waiting = Transition(
                name=sid, goal=goal, started=now, timeout=900.0, on_done=end,
                accepts_signed=True, sid=sid, nonce=nonce,
            )  # fmt: skip
            watching.register(waiting)
            watching.accepted(waiting, Sim(sid=sid, status="scheduled"))
        await asyncio.to_thread((Path(folder) / "requests.json").write_text, json.dumps(requests))
        before = await _begin()
        async with asyncio.timeout(120):
            await ended.wait()
        used = time.process_time() - before
        registration.close()
        await watching.close()
    return {"woken": woken, "cpu": used, "reads": bus.counts.reads}


async def receive(url: str) -> dict[str, Any]:
    """Receive callbacks that no wait of this process waits for."""
    arrived: dict[str, float] = {}
    original = CallbackHandler.receive

    def timed(
        self: CallbackHandler, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Any:
        arrived[target.split("/")[-3]] = time.monotonic()
        return original(self, method, target, headers, body)

    CallbackHandler.receive = timed  # type: ignore[assignment,method-assign]
    bus = PostgresBus(url)
    async with CallbackReceiver(PUBLIC, port=0, bus=bus) as receiver:
        _register(receiver)
        before = await _begin(receiver.port)
        await asyncio.to_thread(sys.stdin.readline)
        used = time.process_time() - before
    counts = bus.counts
    return {
        "arrived": arrived,
        "cpu": used,
        "stored": counts.stored,
        "inserts": counts.inserts,
        "notifications": counts.notifications,
        "refused": counts.refused,
    }


class _Connection(asyncio.Protocol):
    """One request at a time; returns to `free` with the response."""

    def __init__(self, free: asyncio.Queue[_Connection], statuses: list[bytes]) -> None:
        self._free, self._statuses = free, statuses
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._free.put_nowait(self)

    def data_received(self, data: bytes) -> None:
        self._statuses.append(data[9:12])  # a response without a body: one segment
        self._free.put_nowait(self)


async def send(port: int, rate: float, folder: str) -> dict[str, Any]:
    """Send all requests at that rate, whether or not there were responses."""
    text = await asyncio.to_thread((Path(folder) / "requests.json").read_text)
    requests = [one.encode("latin-1") for one in json.loads(text)]
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    statuses: list[bytes] = []
    loop = asyncio.get_running_loop()
    for _ in range(_CONNECTIONS):
        await loop.create_connection(lambda: _Connection(free, statuses), "127.0.0.1", port)
    before = await _begin()
    began, due = time.monotonic(), []
    for number, request in enumerate(requests):
        due.append(began + number / rate)
        if (pause := due[-1] - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        connection = await free.get()
        assert connection.transport is not None
        connection.transport.write(request)
    used = time.process_time() - before
    while len(statuses) < len(requests):  # noqa: ASYNC110  # an event would be counted, too
        await asyncio.sleep(0.01)
    accepted = statuses.count(b"204")
    while not free.empty():
        transport = free.get_nowait().transport
        assert transport is not None
        transport.close()
    names = [f"HS{number:032x}" for number in range(len(requests))]
    return {"due": dict(zip(names, due, strict=True)), "cpu": used, "accepted": accepted}


if __name__ == "__main__":
    _ROLES: Mapping[str, Any] = {"wait": wait, "receive": receive, "send": send}
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(_ROLES[sys.argv[1]](**json.loads(sys.argv[2])))), flush=True)
