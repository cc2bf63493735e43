"""`asyncsim worker` as a process, on a server of its own that can go away."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from asyncsim import bulk
from asyncsim.bulk.dispatch import make_dispatch
from asyncsim.bulk.journal.migrations import migrate
from asyncsim.emulator import Emulator, Faults
from tests.postgres.cluster import Cluster

SIMS = 60


@frozen
class Plant:
    """A job of two chunks, its emulator and its server."""

    cluster: Cluster
    emulator: Emulator
    url: str
    dispatch: str

    @classmethod
    async def open(cls, cluster: Cluster, emulator: Emulator, dispatch: str) -> Plant:
        """Submit the job."""
        url = cluster.create_database("jobs")
        await migrate(url)
        await make_dispatch(dispatch, url).install()
        async with emulator.client() as client:
            sims = [sim.sid async for sim in client.supersim.sims.list()]
            job = bulk.Job.from_rows(sims, product="supersim", change={"status": "active"})
            await bulk.submit(job, client, url, name="job", chunk_rows=30, dispatch=dispatch)
        return cls(cluster, emulator, url, dispatch)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a worker."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asyncsim.cli", "worker", "--dispatch", self.dispatch),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "ASYNCSIM_EMULATOR": self.emulator.url,
                "ASYNCSIM_JOURNAL": self.url,
            },
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    @asynccontextmanager
    async def away(self, how: str) -> AsyncIterator[None]:
        """Let the server respond to nothing, or refuse connections, until the end of the block."""
        cluster = self.cluster
        leave, come_back = {
            "frozen": (cluster.freeze, cluster.thaw),
            "refusing": (lambda: cluster.stop("immediate"), cluster.start),
        }[how]
        await asyncio.to_thread(leave)
        try:
            yield
        finally:
            await asyncio.to_thread(come_back)

    async def ended(self, process: asyncio.subprocess.Process, within: float) -> None:
        """Wait until a worker has ended."""
        now = asyncio.get_running_loop().time
        began = now()
        async with asyncio.timeout(within + 30.0):
            _, said = await process.communicate()
        took, text = now() - began, said.decode()
        print(f"ended after {took:.1f} s with {process.returncode}: {text}")
        assert took < within
        assert "Traceback" not in text

    def sent(self) -> Counter[str]:
        """Number of changes sent, by SIM."""
        posts = (one for one in self.emulator.requests if one.method == "POST")
        return Counter(one.path.rpartition("/")[2] for one in posts if "/Sims/" in one.path)

    async def until_sent(self, count: int) -> None:
        """Wait until so many changes were sent."""
        async with asyncio.timeout(60):
            while self.sent().total() < count:  # noqa: ASYNC110  # the log sets no event
                await asyncio.sleep(0.02)

    async def finish(self) -> None:
        """Let another worker do the rest; every SIM is at its target then."""
        self.emulator.faults = Faults()
        stop = asyncio.Event()
        async with self.emulator.client() as client, bulk.SharedJobs(self.url) as jobs:
            task = asyncio.create_task(
                bulk.work(self.url, [client], dispatch=self.dispatch, stop=stop)
            )
            async with asyncio.timeout(60):
                while (await jobs.fetch("job")).state != "finished":  # noqa: ASYNC110  # a table sets no event
                    await asyncio.sleep(0.1)
            stop.set()
            await task
            assert (await jobs.fetch("job")).succeeded == SIMS
        sims = self.emulator.world("twilio").sims("supersim").values()
        assert {str(sim.status) for sim in sims} == {"active"}
