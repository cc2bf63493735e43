"""What a PostgreSQL server on this machine has spent: processor time, commits, log, disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from attrs import frozen

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@frozen(kw_only=True)
class Spent:
    """Totals of a server and one of its databases."""

    cpu: float
    """Seconds of the server and all of its processes."""
    commits: int
    wal: int
    """Bytes of the write-ahead log."""
    size: int
    """Bytes of the database on disk."""

    def since(self, before: Spent) -> dict[str, float]:
        """What was spent after `before`; `size` is the growth."""
        return {
            "cpu": self.cpu - before.cpu,
            "commits": self.commits - before.commits,
            "wal": self.wal - before.wal,
            "size": self.size - before.size,
        }


def spent(url: str, pid: int) -> Spent:
    """Read the totals of the server whose first process is `pid`."""
    import psycopg

    query = (
        "SELECT xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,"
        " pg_database_size(datname) FROM pg_stat_database WHERE datname = current_database()"
    )
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(query).fetchone()
    return Spent(cpu=cpu(pid), commits=row[0], wal=row[1], size=row[2])


def cpu(pid: int) -> float:
    """Seconds that a process, its ended children and its living ones have used (Linux).

    A server's processes start none of their own, so one generation is all there is.
    """
    found = {path.name: _stat(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    own = found.get(str(pid))
    if own is None:
        return 0.0
    children = (one for one in found.values() if one is not None and one[0] == pid)
    return (sum(own[1:5]) + sum(sum(one[1:3]) for one in children)) / _TICKS


def _stat(path: Path) -> tuple[int, ...] | None:
    """The parent of a process, its user and system ticks, and those of its ended children."""
    try:
        text = (path / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # After the name of the program, which may hold spaces; these are the fields 4 and 14 to 17.
    fields = text.rpartition(")")[2].split()
    return (int(fields[1]), *map(int, fields[11:15]))
