"""What a shared job's database shows after each commit: who had which chunk, and wrote what."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from attrs import define, field, frozen

_connect = sqlite3.connect
"""The real one: a world replaces it."""


@frozen
class Ownership:
    """A chunk from a commit on."""

    time: float
    chunk: int
    owner: str | None
    """The name by which the product knows the owner."""
    epoch: int
    state: str


@frozen
class RowWrite:
    """A change of a row's state, and the process that has committed it."""

    time: float
    process: str
    row: int
    chunk: int
    before: str | None
    after: str
    had_chunk: str | None
    """The process that had the chunk before the commit."""


@define(eq=False)
class JobHistory:
    """The history of one shared job, read past the product's own code."""

    path: Path
    ownerships: list[Ownership] = field(factory=list)
    writes: list[RowWrite] = field(factory=list)
    owners: dict[str, str] = field(factory=dict)
    """Name of an owner -> the process that has claimed by it."""
    first_rows: dict[int, tuple[int, int]] = field(factory=dict)
    """Chunk -> its first and last row."""
    _latest: dict[int, Ownership] = field(factory=dict)
    _states: dict[int, str] = field(factory=dict)
    _connection: sqlite3.Connection | None = None
    job_state: str | None = None
    heartbeats: int = 0
    """Commits so far that were heartbeats of a chunk's owner."""
    frozen: dict[str, list[tuple[float, float]]] = field(factory=dict)
    """Process -> the times at which it was frozen and woken; infinity for not yet."""
    _beaten_at: dict[tuple[int, int], str] = field(factory=dict)

    def open(self) -> sqlite3.Connection:
        """Open the file, once it has its tables."""
        self._connection = _connect(self.path)
        return self._connection

    @property
    def is_open(self) -> bool:
        """Whether the file has its tables."""
        return self._connection is not None

    def final_rows(self) -> list[tuple[str, str | None]]:
        """The state and the error of each row."""
        query = "SELECT state, error_type FROM rows ORDER BY number"
        assert self._connection is not None
        return [*self._connection.execute(query)]

    def committed(self, now: float, process: str) -> list[str]:
        """Take in what a process has committed; returns lines for the log."""
        assert self._connection is not None
        for (state,) in self._connection.execute("SELECT state FROM jobs"):
            self.job_state = state
        before = dict(self._latest)
        lines = []
        chunks = self._connection.execute(
            "SELECT number, first_row, last_row, owner, epoch, state, heartbeat_at FROM chunks"
        )
        beaten = False
        for number, first, last, owner, epoch, state, beaten_at in chunks:
            claimed = self._beaten_at.setdefault((number, epoch), beaten_at)
            if owner is not None and claimed != beaten_at:
                beaten, self._beaten_at[number, epoch] = True, beaten_at
            if number:
                self.first_rows[number] = first, last
            if owner is not None:
                self.owners.setdefault(owner, process)
            found = Ownership(now, number, owner, epoch, state)
            known = self._latest.get(number)
            if known is None or (known.owner, known.epoch, known.state) != (owner, epoch, state):
                self._latest[number] = found
                self.ownerships.append(found)
                lines.append(f"chunk {number} {state} of {self.owners.get(owner or '')} {epoch}")
        self.heartbeats += beaten
        for row, state in self._connection.execute("SELECT number, state FROM rows"):
            if self._states.get(row) != state:
                chunk = self.chunk_of(row)
                had = before.get(chunk)
                holder = None if had is None else self.owners.get(had.owner or "")
                known_state = self._states.get(row)
                self.writes.append(RowWrite(now, process, row, chunk, known_state, state, holder))
                self._states[row] = state
                lines.append(f"row {row} {state} by {process}")
        return lines

    def is_frozen(self, process: str, moment: float) -> bool:
        """Whether a process stood still at a time."""
        return any(began <= moment <= woken for began, woken in self.frozen.get(process, ()))

    def chunk_of(self, row: int) -> int:
        """The chunk of a row; 0 before there are any."""
        found = [number for number, (a, b) in self.first_rows.items() if a <= row <= b]
        return found[0] if found else 0

    def holders(self, chunk: int, moment: float) -> set[str | None]:
        """The processes that had a chunk at a time: two if it changed hands at that very time."""
        found: set[str | None] = set()
        latest: Ownership | None = None
        for one in self.ownerships:
            if one.chunk == chunk and one.time <= moment:
                if one.time == moment and latest is not None:
                    found.add(self.owners.get(latest.owner or ""))
                latest = one
        if latest is not None:
            found.add(self.owners.get(latest.owner or ""))
        return found
