"""The roles of `examples/deployment`, on a real server, by the files that compose runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests import deployment
from tests.postgres.cluster import Cluster

PASSWORDS = {"OWNER_PASSWORD": "it's of the owner", "WORKER_PASSWORD": "of the worker"}
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "postgresql.md"


def with_roles(start: Callable[..., Cluster]) -> Cluster:
    """A server of its own, since roles are the server's; compose's database with its roles."""
    cluster = start()
    with cluster.connect() as admin:
        admin.execute("CREATE DATABASE asyncsim")
    for name in ("roles.sql", "passwords.sql"):
        file = str(deployment.FOLDER / name)
        options = ("--set=ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", f"--file={file}")
        psql = [cluster.program("psql"), *options, cluster.url("asyncsim")]
        subprocess.run(psql, check=True, env={**os.environ, **PASSWORDS})
    return cluster


def connect(cluster: Cluster, role: str, password: str) -> psycopg.Connection:
    url = cluster.url("asyncsim", user=role, password=quote(password))
    return psycopg.connect(url, autocommit=True)


def test_the_owner_makes_tables_and_the_worker_only_uses_them(
    postgres_cluster: Callable[..., Cluster],
) -> None:
    cluster = with_roles(postgres_cluster)
    with (
        connect(cluster, "asyncsim_owner", PASSWORDS["OWNER_PASSWORD"]) as owner,
        connect(cluster, "asyncsim_worker", PASSWORDS["WORKER_PASSWORD"]) as worker,
    ):
        owner.execute("CREATE TABLE asyncsim.t (id bigserial PRIMARY KEY, text text)")
        worker.execute("INSERT INTO asyncsim.t (text) VALUES ('a')")
        worker.execute("UPDATE asyncsim.t SET text = 'b'")
        assert worker.execute("SELECT id, text FROM asyncsim.t").fetchall() == [(1, "b")]
        worker.execute("DELETE FROM asyncsim.t")
        for forbidden in (
            "CREATE TABLE asyncsim.u (id int)",
            "ALTER TABLE asyncsim.t ADD COLUMN more int",
            "DROP TABLE asyncsim.t",
            "TRUNCATE asyncsim.t",
            "CREATE SCHEMA other",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(forbidden)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("CREATE SCHEMA other")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(cluster, "asyncsim_worker", "wrong")


@pytest.mark.parametrize("name", ["roles.sql", "narrow_roles.sql"])
def test_the_document_shows_the_file(name: str) -> None:
    file = (deployment.FOLDER / name).read_text("utf-8")
    statements = file[file.index("CREATE ROLE") :]
    assert f"```sql\n{statements}```\n" in DOCUMENT.read_text("utf-8")
