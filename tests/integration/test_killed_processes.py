"""Processes that die at any step of a prepared update; another one finishes the wait.

Two kinds of death. A coroutine that is never continued after its n-th `await`, for every n: what it
had begun on a socket goes on, but nothing else, as in a process that was killed. And one real
process, killed by SIGKILL while it holds an update at each step.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from asyncsim import CallbackReceiver, Client, PerhapsNeverSent
from asyncsim.clock import ManualClock, Timer
from asyncsim.emulator import Emulator, Faults
from asyncsim.events import WaitSettled
from tests.integration.conftest import OpenHarness
from tests.integration.harness import LATENCY, TRANSITION, Harness

ROOT = Path(__file__).parent.parent.parent
MOST_AWAITS = 200
TIMEOUT = 100.0
ANSWER_TAKES = 2 * TRANSITION


class Dying:
    """Runs a coroutine up to its n-th `await`, and never continues it."""

    def __init__(self, work: Coroutine[Any, Any, Any], awaits: int) -> None:
        self._work = work
        self._awaits = awaits
        self.ended = asyncio.Event()
        self.survived = False

    def __await__(self) -> Generator[Any, None, None]:
        try:
            for _ in range(self._awaits):
                yield self._work.send(None)
        except StopIteration:
            self.survived = True
        self.ended.set()

    async def run(self) -> None:
        await self

    async def bury(self) -> None:
        """End what a killed process would not have to end: sockets of this test."""
        while not self.survived:
            try:
                self._work.throw(asyncio.CancelledError())
            except (asyncio.CancelledError, StopIteration):
                return
            await asyncio.sleep(0)


class UntrackedClock:
    """The manual clock, which does not wait for the requests of a dead process."""

    def __init__(self, clock: ManualClock) -> None:
        self.now: Callable[[], float] = clock.now
        self.utcnow = clock.utcnow
        self.sleep = clock.sleep
        self._clock = clock

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        return self._clock.call_at(when, callback)

    def working(self) -> AbstractContextManager[None]:
        return nullcontext()

    def resting(self) -> AbstractContextManager[None]:
        return nullcontext()


async def update(client: Client, sid: str, store: Callable[[str], object]) -> None:
    """What a service does: prepare, store the token, send, wait."""
    prepared = await client.supersim.sims.prepare_update(sid, status="active", timeout=TIMEOUT)
    await asyncio.sleep(0)  # as a database would take
    store(prepared.token)
    await asyncio.sleep(0)
    await prepared.send()
    async for _ in prepared:
        pass
    await prepared


async def die_after(
    harness: Harness, awaits: int, tokens: dict[str, str], receiver: Any = None
) -> bool:
    """Update the n-th SIM in a process that dies; True if it got to the end."""
    clock: Any = UntrackedClock(harness.clock)
    sid = harness.sids[awaits]
    client = harness.emulator.client(clock=clock, receiver=receiver)
    await client.open()
    dying = Dying(update(client, sid, lambda token: tokens.setdefault(sid, token)), awaits)
    running = asyncio.create_task(dying.run())
    while not dying.ended.is_set() and not running.done():
        await harness.clock.settle()
        await asyncio.sleep(0.0005)  # real sockets, of which this clock knows nothing
        if harness.clock.next_timer is not None and sid in tokens and harness.posts(sid):
            await harness.clock.advance(max(harness.clock.next_timer - harness.clock.now(), 0.0))
    await running
    await dying.bury()
    await client.close()
    return dying.survived


@pytest.mark.parametrize("listens", [False, True])
async def test_a_process_may_die_at_any_await(start_harness: OpenHarness, listens: bool) -> None:
    harness = await start_harness(sims=MOST_AWAITS)
    tokens: dict[str, str] = {}
    ends: dict[str, int] = {}
    port = _free_port()
    settled_by: set[Any] = set()

    def observe(event: Any) -> None:
        if isinstance(event, WaitSettled) and event.error is None:
            settled_by.add(event.settled_by)

    for awaits in range(MOST_AWAITS):
        first = CallbackReceiver(port=port, clock=harness.clock) if listens else None
        survived = await die_after(harness, awaits, tokens, first)
        second = CallbackReceiver(port=port, clock=harness.clock) if listens else None
        sid = harness.sids[awaits]
        if sid in tokens:
            async with harness.emulator.client(receiver=second, observers=[observe]) as client:
                end = await harness.complete(_end(client, tokens[sid]))
            posts = len(harness.posts(sid))
            assert (end, posts) in {("active", 1), ("never sent", 0)}, f"after {awaits} awaits"
            ends[end] = ends.get(end, 0) + 1
        else:
            assert harness.posts(sid) == []
        if survived:
            break
    else:
        pytest.fail("it never got to the end")
    assert set(ends) == {"active", "never sent"}
    assert ends["active"] > 3
    assert ("callback" in settled_by) == listens


async def _end(client: Client, token: str) -> str:
    try:
        return str((await client.resume(token)).status)
    except PerhapsNeverSent:
        return "never sent"


# A real process.

CHILD = """
import asyncio, json, sys
from asyncsim import CallbackReceiver, Client

async def main(port, sids):
    def say(step, token=None):
        print(json.dumps([step, token]), flush=True)

    async def settle(update):
        await update

    receiver = CallbackReceiver(f"http://127.0.0.1:{port}", port=port)
    async with Client.from_env("twilio", receiver=receiver) as client:
        sims = client.supersim.sims
        updates = {}
        for step, sid in sids.items():
            seconds = 0.3 if step == "before it is sent" else 60
            update = await sims.prepare_update(sid, status="active", timeout=seconds)
            say(step, update.token)
            updates[step] = update
        await updates["after the response"].send()
        await updates["while waiting"].send()
        waiting = asyncio.create_task(settle(updates["while waiting"]))
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(updates["in flight"].send(), waiting)

asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2])))
"""
STEPS = ("before it is sent", "in flight", "after the response", "while waiting")


async def test_a_process_killed_by_sigkill(clock: ManualClock) -> None:
    # The clients use real time, the emulator moves by hand: nothing happens before the kill.
    async with Emulator(sims=len(STEPS), latency=LATENCY, clock=clock) as emulator:
        sids = dict(zip(STEPS, emulator.world("twilio").sims("supersim"), strict=True))
        port = _free_port()
        tokens = await _run_and_kill(emulator, port, sids)
        sent = {step: _posts(emulator, sid) for step, sid in sids.items()}
        assert sent == dict(zip(STEPS, (0, 1, 1, 1), strict=True))

        settled_by: dict[str, Any] = {}

        def observe(event: Any) -> None:
            if isinstance(event, WaitSettled):
                settled_by[event.name] = event.settled_by

        receiver = CallbackReceiver(f"http://127.0.0.1:{port}", port=port)
        async with emulator.client(receiver=receiver, observers=[observe], clock=None) as client:
            ends = asyncio.gather(*[_end(client, tokens[step]) for step in STEPS])
            await clock.advance(ANSWER_TAKES)
            ended = await ends
        assert dict(zip(STEPS, ended, strict=True)) == {
            step: "active" if sent[step] else "never sent" for step in STEPS
        }
        assert {step: _posts(emulator, sid) for step, sid in sids.items()} == sent
        assert {settled_by[sids[step]] for step in STEPS[1:]} == {"callback"}


async def _run_and_kill(emulator: Emulator, port: int, sids: dict[str, str]) -> dict[str, str]:
    """Run the child until it holds an update at each step, kill it, and return the tokens."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, str(port), json.dumps(sids)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "ASYNCSIM_EMULATOR": emulator.url},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    tokens: dict[str, str] = {}
    async with asyncio.timeout(60):
        while "ready" not in tokens:
            step, token = json.loads(await child.stdout.readline())
            tokens[step] = token
        emulator.faults = Faults(answer_takes=ANSWER_TAKES)
        child.stdin.write(b"\n")
        await child.stdin.drain()
        while not _posts(emulator, sids["in flight"]):  # noqa: ASYNC110  # another process sends them
            await asyncio.sleep(0.005)
    child.kill()
    await child.communicate()
    emulator.faults = Faults()
    return tokens


def _posts(emulator: Emulator, sid: str) -> int:
    return sum(one.method == "POST" and one.path.endswith(sid) for one in emulator.requests)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
