"""A pytest plugin: the integration tests, with Prism between client and emulator.

`nox -s contract` runs them a second time with `-p tests.contract.through_prism`: every request
and every response is validated against the documents. Findings that are not known fail the run,
after the last test.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Self, TypeVar

import pytest
from aiohttp import ClientSession

from asyncsim import Client, Hosts
from asyncsim.emulator import Emulator
from tests.contract.check_prism import RecordingProxy
from tests.contract.documents import DOCUMENTS
from tests.contract.known_findings import REHEARSED, unexpected
from tests.contract.prism import proxy
from tests.integration import harness

T = TypeVar("T")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Proxies:
    """One Prism per document, in front of the single port of all emulators."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.recorders: list[RecordingProxy] = []
        # Its own loop: each test has its own, and Prism's output must be read throughout.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=300)

    def start(self) -> None:
        self._thread.start()
        self._run(self._start())

    async def _start(self) -> None:
        for one in DOCUMENTS:
            upstream = f"http://127.0.0.1:{self.port}/{one.vendor}/{one.product}"
            url = await self._stack.enter_async_context(proxy(one.path, upstream))
            self.recorders.append(RecordingProxy(one, url))

    def stop(self) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=60)
        self._loop.close()


PROXIES = Proxies()


class ValidatedEmulator(Emulator):
    """An emulator on the port behind Prism, whose clients use Prism.

    Of several at once, only the first does.
    """

    _listening: ClassVar[list[Emulator]] = []

    def __init__(self, **settings: Any) -> None:
        self._watched = not self._listening
        super().__init__(**{**settings, **({"port": PROXIES.port} if self._watched else {})})
        self._sessions: list[ClientSession] = []

    async def start(self) -> Self:
        self._listening.append(self)
        return await super().start()

    def client(self, vendor: Any = "twilio", **settings: Any) -> Client:
        if self._watched and "session" not in settings and "hosts" not in settings:
            settings["hosts"] = self._hosts(vendor)
            settings["session"] = self._session(vendor)
        return super().client(vendor, **settings)

    def _hosts(self, vendor: str) -> Hosts:
        watched = {one.document.product: one.proxy for one in self._recorders(vendor)}
        return Hosts(**watched).over(self.hosts_of(vendor))

    def _session(self, vendor: str) -> ClientSession:
        session = ClientSession(trace_configs=[one.trace() for one in self._recorders(vendor)])
        self._sessions.append(session)
        return session

    def _recorders(self, vendor: str) -> list[RecordingProxy]:
        return [one for one in PROXIES.recorders if one.document.vendor == vendor]

    async def stop(self) -> None:
        for session in self._sessions:
            await session.close()
        await super().stop()
        if self in self._listening:
            self._listening.remove(self)


def pytest_sessionstart() -> None:
    PROXIES.start()
    pytest.MonkeyPatch().setattr(harness, "Emulator", ValidatedEmulator)


def pytest_sessionfinish(session: pytest.Session) -> None:
    PROXIES.stop()
    found = [one for recorder in PROXIES.recorders for one in recorder.found]
    seen = sum(recorder.responses for recorder in PROXIES.recorders)
    news = unexpected(found, REHEARSED)
    print(f"\nPrism has seen {seen} responses, with {len(news)} unknown findings")
    print("\n".join(news))
    if news or not seen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
