"""Changes that survive a restart: each token is stored before its change is sent.

Both services use this. One SQLite file, one process at a time.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncsim
from asyncsim.supersim import Sim

TIMEOUT = 900.0  # seconds that a change may take
MOST_PENDING = 10_000
SENDING_ENDS = 10.0  # seconds that requests in flight have at shutdown

logger = logging.getLogger(__name__)


class TooManyPending(Exception):
    """Try again later."""


class Changes:
    """Sends changes and waits for them in the background, across restarts.

    ::

        async with Changes(client, "changes.db") as changes:  # resumes what is pending
            number = await changes.activate(sid)
    """

    def __init__(self, client: asyncsim.Client, path: str | Path) -> None:
        self._client = client
        self._path = path
        self._checking = 0
        self._sending: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        with self._database() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, sid TEXT NOT NULL,"
                " token TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', detail TEXT)"
            )

    async def __aenter__(self) -> Self:
        with self._database() as database:
            query = "SELECT number, token FROM changes WHERE state = 'pending'"
            pending = database.execute(query).fetchall()
        for number, token in pending:
            self._start(self._waiting, self._resume(number, token))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let requests in flight finish, and drop the waits: their tokens are stored."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=SENDING_ENDS)
        tasks = [*self._sending, *self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def pending(self) -> int:
        """Changes that have not settled, and those that are being checked."""
        return self._checking + len(self._sending) + len(self._waiting)

    async def activate(self, sid: str) -> int:
        """Check and store a change, and return its number; the rest happens in the background."""
        if self.pending >= MOST_PENDING:
            raise TooManyPending
        sims = self._client.supersim.sims
        self._checking += 1  # so that a thousand requests at once cannot exceed the limit
        try:
            prepared = await sims.prepare_update(sid, status="active", timeout=TIMEOUT)
        finally:
            self._checking -= 1
        with self._database() as database:  # on disk before anything is sent
            row = (prepared.sid, prepared.token)
            added = database.execute("INSERT INTO changes (sid, token) VALUES (?, ?)", row)
            number = int(added.lastrowid or 0)
        self._start(self._sending, self._send(number, prepared))
        return number

    def find(self, number: int) -> dict[str, Any] | None:
        """Return how a change stands: `pending`, `active`, `failed` or `unknown`."""
        with self._database() as database:
            query = "SELECT sid, state, detail FROM changes WHERE number = ?"
            row = database.execute(query, (number,)).fetchone()
        return row and {"number": number, "sid": row[0], "state": row[1], "detail": row[2]}

    async def _send(self, number: int, prepared: asyncsim.PreparedUpdate[Sim]) -> None:
        try:
            await prepared.send()
        except asyncsim.AsyncSimError as error:
            if not error.outcome_unknown:
                self._store(number, "failed", str(error))
                return
            logger.warning("change %d: %s", number, error)  # waiting finds out
        self._start(self._waiting, self._wait(number, prepared))

    async def _resume(self, number: int, token: str) -> None:
        try:
            wait = self._client.resume(token)
        except asyncsim.TokenError as error:
            self._postpone(number, error)
        else:
            await self._wait(number, wait)

    async def _wait(self, number: int, wait: asyncsim.Wait[Any]) -> None:
        try:
            sim = await wait
        except (asyncsim.TransitionFailed, asyncsim.NotFound) as error:
            self._store(number, "failed", str(error))
        except asyncsim.TransitionTimeout as error:  # also `PerhapsNeverSent`: a person decides
            self._store(number, "unknown", str(error))
        except asyncsim.AsyncSimError as error:
            self._postpone(number, error)
        else:
            self._store(number, str(sim.status))

    def _postpone(self, number: int, error: asyncsim.AsyncSimError) -> None:
        """Leave a change pending until the next start: these credentials cannot say how it went."""
        logger.error("change %d stays pending until the next start: %s", number, error)
        self._store(number, "pending", str(error))

    def _store(self, number: int, state: str, detail: str | None = None) -> None:
        with self._database() as database:
            change = "UPDATE changes SET state = ?, detail = ? WHERE number = ?"
            database.execute(change, (state, detail, number))

    def _start(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        # A commit takes milliseconds; a busy service would use a thread or a server.
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database
