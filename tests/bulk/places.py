"""Where a test's journals are: files in its folder, or jobs in its PostgreSQL database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

from asyncsim.bulk.journal import Journal

ENGINES = os.environ.get("ASYNCSIM_TEST_ENGINES", "sqlite").split(",")
"""The engines on which tests with a `place` run: `sqlite`, `postgres` or `sqlite,postgres`."""


@frozen
class Place:
    """A folder for journals, or a database with their tables."""

    folder: Path
    url: str | None = None

    def journal(self, name: str = "job.db", **options: Any) -> Journal:
        """The journal of this name: a file, or a job."""
        if self.url is None:
            return Journal.open(self.folder / name, **options)
        return Journal.open(self.url, job=name, **options)

    def query(self, sql: str) -> list[Any]:
        """Query it as another program would."""
        if self.url is None:
            with closing(sqlite3.connect(self.folder / "job.db")) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.url, autocommit=True) as shared:
            shared.execute("SET search_path = asyncsim")
            cursor = shared.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def change(self, sql: str) -> None:
        """Change it as another program would."""
        if self.url is not None:
            self.query(sql)
            return
        with closing(sqlite3.connect(self.folder / "job.db")) as connection, connection:
            connection.execute(sql)

    def states(self) -> dict[int, str]:
        """State by row, of the only job."""
        return dict(self.query("SELECT number, state FROM rows ORDER BY number"))
