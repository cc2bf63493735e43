"""Emulator and job as killable processes, and the emulator's view of the job's requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

import aiohttp
from attrs import define, field

from asyncsim.bulk import Journal
from asyncsim.bulk.records import State

_URL = re.compile(r"ASYNCSIM_EMULATOR=http://127\.0\.0\.1:(\d+)")
_PATIENCE = 60.0  # seconds for a process to start, or to finish undisturbed
FAULTS = (
    *("--rate-limited", "0.05"),
    *("--server-errors", "0.03"),
    *("--dropped", "0.03"),
    *("--lose-callbacks", "0.05"),
)


async def start(
    *arguments: str, output: IO[bytes] | None = None, **environment: str
) -> asyncio.subprocess.Process:
    """Start a command of asyncsim; `output`: a file for both streams instead of pipes."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncsim.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output or asyncio.subprocess.PIPE,
        stderr=output or asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        limit=2**20,
    )


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a process as a crash would."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


@define(eq=False)
class EmulatorProcess:
    """`asyncsim emulate`, always on the same port; its state survives a kill if it is kept."""

    folder: Path
    sims: int
    speed: float
    faults: Sequence[str] = FAULTS
    keeps_state: bool = True
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        state = ("--state", str(self.folder / "emulator.db")) if self.keeps_state else ()
        self.process = await start(
            "emulate",
            *("--port", str(self.port), "--sims", str(self.sims), "--speed", f"{self.speed:g}"),
            *(*state, *self.faults),
        )
        async with asyncio.timeout(_PATIENCE):
            self.port = await self._read_port()

    async def _read_port(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if found := _URL.search(line.decode()):
                return int(found[1])
        _, problem = await self.process.communicate()
        raise AssertionError(f"the emulator did not start: {problem.decode()}")

    async def kill(self) -> None:
        if self.process is not None:
            await kill(self.process)
            self.process = None

    async def statuses(self) -> Counter[str]:
        """Super SIMs by status, read with faults turned off."""
        await self._control("POST", "faults", json=_NO_FAULTS)
        found: Counter[str] = Counter()
        async for sim in self._sims():
            found[sim["status"]] += 1
        return found

    async def write_sims(self, path: Path) -> None:
        """Write a CSV like a customer's."""
        await self._control("POST", "faults", json=_NO_FAULTS)
        lines = [f"{sim['iccid']},{number}" async for number, sim in _numbered(self._sims())]
        text = "\n".join(["iccid,box", *lines, ""])
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        await self.kill()
        await self.start()  # with its faults again

    async def _sims(self) -> AsyncIterator[dict[str, Any]]:
        from asyncsim import Client
        from asyncsim.vendors import EMULATOR_CREDENTIALS, TWILIO, emulator_hosts

        credentials = EMULATOR_CREDENTIALS
        hosts = emulator_hosts(self.url, TWILIO)
        async with Client.twilio(
            credentials.account_sid, credentials.auth_token, hosts=hosts
        ) as client:
            async for sim in client.supersim.sims.list(page_size=1000):
                yield {"status": sim.status, "iccid": sim.iccid, "sid": sim.sid}

    async def posts(self) -> list[dict[str, Any]]:
        """All POSTs to single SIMs, oldest first."""
        log = (await self._control("GET", "requests"))["requests"]
        return [one for one in log if one["method"] == "POST" and "/Sims/" in one["path"]]

    async def _control(self, method: str, path: str, **more: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/_emulator/{path}", **more) as response,
        ):
            return await response.json()


_NO_FAULTS = {"rate_limited": 0, "server_errors": 0, "dropped": 0}


async def _numbered(items: AsyncIterator[Any]) -> AsyncIterator[tuple[int, Any]]:
    number = 0
    async for item in items:
        number += 1
        yield number, item


@define(eq=False)
class JobProcess:
    """`asyncsim activate`, started with the same command until it is done."""

    folder: Path
    emulator: EmulatorProcess
    options: Sequence[str] = ()
    process: asyncio.subprocess.Process | None = None
    lines: int = 0
    """Events that this run has printed."""

    @property
    def journal(self) -> Path:
        return self.folder / "sims.db"

    async def start(self) -> None:
        self.lines = 0
        self.process = await start(
            *("activate", str(self.folder / "sims.csv"), "--json", "--window", "500"),
            *self.options,
            ASYNCSIM_EMULATOR=self.emulator.url,
            ASYNCSIM_EMULATOR_SPEED=str(self.emulator.speed),
        )

    async def read_events(self, most: int) -> bool:
        """Read up to `most` events in total; False if the output ended before."""
        assert self.process is not None
        assert self.process.stdout is not None
        while self.lines < most:
            line = await self.process.stdout.readline()
            if not line:
                return False
            json.loads(line)
            self.lines += 1
        return True

    async def finish(self) -> int:
        """Wait for the job to end; return its exit code."""
        assert self.process is not None
        async with asyncio.timeout(_PATIENCE * 3):
            _, self.stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    stderr: bytes = field(default=b"", init=False)
    """The stderr of the run that finished."""

    async def in_flight(self) -> set[str]:
        """SIDs of rows whose request may have been in flight at the kill."""
        if not self.journal.exists():
            return set()
        async with Journal.open(self.journal, read_only=True) as journal:
            return {one.sid or "" async for one in journal.results({State.SENDING})}


def free_port() -> int:
    """A port that is free just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def carried_out(post: dict[str, Any]) -> int | None:
    """The status with which a POST was carried out, whether or not the client saw it."""
    for status in (post["status"], post["hidden"]):
        if status is not None and 200 <= status < 300:
            return int(status)
    return None
