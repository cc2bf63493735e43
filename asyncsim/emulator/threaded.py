"""Emulator in a thread of its own: for code without asyncio, and for clients in any event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.emulator.activity import SimTimelines, activity_text
from asyncsim.emulator.callbacks import Delivery
from asyncsim.emulator.emulator import Emulator
from asyncsim.emulator.request_log import RequestRecord
from asyncsim.emulator.settings import Faults
from asyncsim.errors import ConfigurationError
from asyncsim.vendors import EmulatorCredentials, Hosts

if TYPE_CHECKING:
    from asyncsim.client import Client, Settings

T = TypeVar("T")

_PATIENCE = 30.0  # seconds for the thread to start, run a function or stop: each takes milliseconds


class ThreadedEmulator:
    """An `Emulator` that runs in a thread, so that code without asyncio can use it.

    ::

        with ThreadedEmulator(Emulator(sims=5, speed=1000)) as emulator:
            requests.get(f"{emulator.hosts.supersim}/v1/Sims", auth=emulator.auth)

    The emulator must not run yet, and uses the system's clock: a `ManualClock` belongs to one
    event loop. What is read here is a copy; `call` changes something.
    """

    def __init__(self, emulator: Emulator) -> None:
        if emulator.clock is not SYSTEM_CLOCK:
            raise ConfigurationError(
                "an emulator with a clock of its own runs in the test's loop:"
                " async with Emulator(clock=...) as emulator"
            )
        self._emulator = emulator
        self._timelines = SimTimelines()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._sessions: list[Any] = []

    def __repr__(self) -> str:
        return f"<ThreadedEmulator at {self.url}, {'running' if self._loop else 'stopped'}>"

    def start(self) -> Self:
        """Start the thread and listen; `ConfigurationError` if the port is not available."""
        if self._thread is not None:
            raise ConfigurationError("this emulator is already running")
        started: Future[None] = Future()
        self._thread = Thread(
            target=lambda: asyncio.run(self._serve(started)), name="asyncsim-emulator", daemon=True
        )
        self._thread.start()
        try:
            started.result(_PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the thread; logs and records can still be read. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        while self._sessions:
            self._sessions.pop().close()
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._emulator.url

    @property
    def hosts(self) -> Hosts:
        """Base URLs of Twilio's APIs: `hosts.supersim`, `hosts.wireless`, `hosts.monitor`."""
        return self._emulator.hosts

    def hosts_of(self, vendor: str) -> Hosts:
        """Base URLs of a vendor's APIs."""
        return self._emulator.hosts_of(vendor)

    @property
    def credentials(self) -> EmulatorCredentials:
        """The credentials that it accepts: account SID, auth token, API key, KORE's client."""
        return self._emulator.credentials

    @property
    def auth(self) -> tuple[str, str]:
        """Account SID and auth token, as `requests` and `httpx` take them: `auth=emulator.auth`."""
        return self.credentials.account_sid, self.credentials.auth_token

    @property
    def environ(self) -> dict[str, str]:
        """Variables with which `Client.from_env()` and the command line use this emulator."""
        return {
            "ASYNCSIM_EMULATOR": self.url,
            "ASYNCSIM_EMULATOR_SPEED": f"{self._emulator.speed:g}",
        }

    def client(
        self,
        vendor: Literal["twilio", "kore"] = "twilio",
        *,
        credentials: EmulatorCredentials | None = None,
        **settings: Unpack[Settings],
    ) -> Client:
        """A client for the caller's event loop, as `Emulator.client` creates it."""
        return self._emulator.client(vendor, credentials=credentials, **settings)

    def twilio_client(self) -> Any:
        """A `twilio.rest.Client` of this emulator, closed with it; needs the package `twilio`.

        Its `http_client` points a client that your code creates here, too:
        `twilio.rest.Client(account_sid, auth_token, http_client=...)`.
        """
        from asyncsim.emulator.twilio_python import twilio_client

        client = twilio_client(self._emulator)
        self._sessions.append(client.http_client.session)
        return client

    def call(self, function: Callable[[Emulator], T]) -> T:
        """Run a function in the emulator's thread and return its result.

        For what changes the emulator: `call(lambda emulator: emulator.world("kore").suspend())`.
        """

        async def call() -> T:
            return function(self._emulator)

        if self._loop is None:
            raise ConfigurationError("this emulator does not run: start it first")
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(_PATIENCE)

    def sims(
        self, product: Literal["supersim", "wireless"] = "supersim", vendor: str = "twilio"
    ) -> tuple[Any, ...]:
        """The SIMs of the main account, as they are now."""
        return self._read(lambda emulator: tuple(emulator.world(vendor).sims(product).values()))

    @property
    def requests(self) -> list[RequestRecord]:
        """All requests so far, oldest first."""
        return self._read(lambda emulator: list(emulator.requests))

    @property
    def deliveries(self) -> list[Delivery]:
        """All attempts to deliver callbacks so far, oldest first."""
        return self._read(lambda emulator: list(emulator.deliveries))

    @property
    def faults(self) -> Faults:
        """The injected faults; may be replaced at any time."""
        return self._emulator.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._emulator.faults = faults

    def activity(self) -> str:
        """The latest requests, and the statuses of each SIM that changed, as bounded text."""
        return self._read(lambda emulator: activity_text(emulator, self._timelines))

    def _read(self, function: Callable[[Emulator], T]) -> T:
        # A stopped emulator changes no more, so any thread may read it.
        return self.call(function) if self._loop is not None else function(self._emulator)

    async def _serve(self, started: Future[None]) -> None:
        try:
            await self._emulator.start()
        except BaseException as error:  # noqa: BLE001  # raised by `start`, in the other thread
            started.set_exception(error)
            return
        self._timelines.attach(self._emulator)
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        started.set_result(None)
        try:
            await self._stopping.wait()
        finally:
            self._loop = None
            await self._emulator.stop()
