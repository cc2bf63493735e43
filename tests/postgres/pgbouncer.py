"""A pgbouncer in front of a test server."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.postgres.binaries import unprivileged_user
from tests.postgres.cluster import ADMIN, OWNER, Cluster, free_port
from tests.postgres.fixtures import not_possible

_CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = {pool}
{more}
"""


@contextlib.contextmanager
def pgbouncer(
    cluster: Cluster, *, mode: str = "transaction", pool: int = 4, more: str = ""
) -> Iterator[int]:
    """Run one until the end of the block; its port. `pool` is the most sessions it opens."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        not_possible("pgbouncer is not installed")
    folder = cluster.folder / "pgbouncer"
    folder.mkdir()
    users = folder / "users.txt"
    users.write_text(
        "".join(f'"{name}" "{cluster.password}"\n' for name in (ADMIN, OWNER)), "utf-8"
    )
    port = free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _CONFIGURATION.format(
            server=cluster.port, port=port, users=users, mode=mode, pool=pool, more=more
        ),
        "utf-8",
    )
    for path in (folder, users, settings):
        cluster.give_away(path)
    user = unprivileged_user()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(settings)],
            user=user,
            extra_groups=None if user is None else [],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"pgbouncer does not start: {log.read_text('utf-8')}")
        time.sleep(0.02)
