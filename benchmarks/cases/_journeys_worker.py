"""One journey through the source: each function of asyncsim that is entered, in order.

`python -m benchmarks.cases._journeys_worker A` prints them as JSON: `[[file, function], ...]`.
The emulator runs in its own thread, and only the thread of the journey is traced. A coroutine
that resumes after an `await` is not entered again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType

import asyncsim
from asyncsim import bulk
from asyncsim.emulator import Emulator, Latency

_PACKAGE = f"{Path(asyncsim.__file__).parent}/"

Entered = list[tuple[str, str]]


def _note(entered: Entered, frame: FrameType, event: str) -> None:
    code = frame.f_code
    if event != "call" or not code.co_filename.startswith(_PACKAGE):
        return
    if code.co_code[frame.f_lasti + 1]:  # argument of RESUME: 0 at the start of a function
        return
    entered.append((code.co_filename.removeprefix(_PACKAGE), code.co_qualname))


@contextmanager
def _traced() -> Iterator[Entered]:
    entered: Entered = []
    sys.setprofile(lambda frame, event, _: _note(entered, frame, event))
    try:
        yield entered
    finally:
        sys.setprofile(None)


class _EmulatorThread:
    """An emulator in its own thread, because tracing is per thread."""

    def __init__(self, latency: Latency, speed: float) -> None:
        self.emulator = Emulator(sims=2, latency=latency, speed=speed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Emulator]:
        ready, self._end = asyncio.Event(), asyncio.Event()
        here = asyncio.get_running_loop()

        async def serve() -> None:
            self._end, self._loop = asyncio.Event(), asyncio.get_running_loop()
            async with self.emulator:
                here.call_soon_threadsafe(ready.set)
                await self._end.wait()

        thread = asyncio.create_task(asyncio.to_thread(asyncio.run, serve()))
        await ready.wait()
        try:
            yield self.emulator
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            await thread

    async def trace(self) -> Entered:
        """Start tracing the emulator's thread; the returned list grows until it ends."""
        entered: Entered = []

        async def begin() -> None:
            sys.setprofile(lambda frame, event, _: _note(entered, frame, event))

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(begin(), self._loop))
        return entered


def _client(
    emulator: Emulator, receiver: asyncsim.CallbackReceiver | None = None
) -> asyncsim.Client:
    credentials = emulator.credentials
    return asyncsim.Client.twilio(
        credentials.account_sid, credentials.auth_token, hosts=emulator.hosts, receiver=receiver
    )


async def _update() -> Entered:
    """A: `sims.update(...)` to the record; the second call, after all imports."""
    other_thread = _EmulatorThread(Latency(), 1000)
    async with other_thread.running() as emulator, _client(emulator) as client:
        sids = [sim.sid async for sim in client.supersim.sims.list()]
        await client.supersim.sims.update(sids[0], status="active")
        with _traced() as entered:
            await client.supersim.sims.update(sids[1], status="active")
        return entered


async def _callback() -> Entered:
    """B: a callback, from the socket to the resumed `await_transition`; the second call."""
    receiver = asyncsim.CallbackReceiver(port=0)
    other_thread = _EmulatorThread(Latency(transition=0.3, sigma=0.0, shortest=0.1), 1)
    async with other_thread.running() as emulator, receiver, _client(emulator, receiver) as client:
        sims = client.supersim.sims
        for sid in [sim.sid async for sim in sims.list()]:
            sim = await sims.update(sid, status="active")
            wait = asyncio.create_task(sims.await_transition(sim, timeout=30))
            await asyncio.sleep(0.05)  # until only the wait is left
            with _traced() as entered:
                await wait
        return entered


async def _row() -> Entered:
    """C: one row of a CSV file to `results.csv`; the second job."""
    with tempfile.TemporaryDirectory() as place:
        other_thread = _EmulatorThread(Latency(), 1000)
        async with other_thread.running() as emulator, _client(emulator) as client:
            sids = [sim.sid async for sim in client.supersim.sims.list()]
            for sid in sids:
                folder = Path(place) / sid
                folder.mkdir()
                (folder / "in.csv").write_text(f"sid\n{sid}\n")
                with _traced() as entered:
                    job = bulk.Job.from_csv(
                        folder / "in.csv", product="supersim", change={"status": "active"}
                    )
                    async with bulk.Journal.open(str(folder / "job.db")) as journal:
                        report = await bulk.run(job, client, journal=journal)
                        await bulk.write_results(journal, folder, report)
                assert report.ok, report
            return entered


async def _served() -> Entered:
    """D: the emulator's side of a POST, up to its 202; the second call."""
    other_thread = _EmulatorThread(Latency(), 1)
    async with other_thread.running() as emulator, _client(emulator) as client:
        sids = [sim.sid async for sim in client.supersim.sims.list()]
        await client.supersim.sims.update(sids[0], status="active")
        entered = await other_thread.trace()
        await client.supersim.sims.update(sids[1], status="active")
        return [*entered]


_JOURNEYS = {"A": _update, "B": _callback, "C": _row, "D": _served}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(_JOURNEYS[sys.argv[1]]())))
