"""A private PostgreSQL server: its folder, its port, and its end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.postgres import binaries

# Tests need no durability across power failures, and a small server starts quickly.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    # Not UTC, and not in whole hours: code that forgets a time zone must fail.
    "timezone": "Asia/Kathmandu",
    "unix_socket_directories": "",
    "wal_level": "minimal",
}
ADMIN = "postgres"
OWNER = "asyncsim_tests"
_ROOM = 2 << 30


def folder_for_data() -> Path:
    """Return where data is stored fastest: in memory if there is room; made by nobody else."""
    memory = Path("/dev/shm")  # a new folder in it, readable by its owner only
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        return memory
    # A user of its own must be able to enter it, which a TMPDIR below /root forbids.
    chosen = Path(tempfile.gettempdir())
    return chosen if _anybody_may_enter(chosen) else Path("/tmp")


def _anybody_may_enter(folder: Path) -> bool:
    return os.name == "nt" or all(one.stat().st_mode & 1 for one in (folder, *folder.parents))


class Cluster:
    """A server on a port of its own, with one administrator and one ordinary user.

    It ends, and its folder is deleted, by `remove()`; or, if that is never called, soon after the
    process `watched` has ended.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        watched: int | None = None,
    ) -> None:
        self._user = binaries.unprivileged_user()
        self._programs = binaries.find()
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="asyncsim-pg-", dir=folder_for_data()))
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.settings = {**SETTINGS, **(settings or {})}
        self.port = 0
        self.password = secrets.token_urlsafe(12)
        self.watched = watched or os.getpid()

    def create(self) -> None:
        """Initialize the folder, start the server and create the ordinary user."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        self.folder.chmod(0o755)
        self._watch()
        if not binaries.reachable(self._programs, self._user):
            copied = self.folder / "programs"
            shutil.copytree(self._programs.parent, copied, symlinks=True)
            self._programs = copied / self._programs.name
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.password, "utf-8")
        for path in (self.folder, password):
            self.give_away(path)
        self._run(
            "initdb",
            *("--pgdata", str(self.data), "--username", ADMIN, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--no-locale", "--encoding", "UTF8", "--no-sync"),
        )
        password.unlink()
        self.start()
        with self.connect() as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{self.password}'")

    def give_away(self, path: Path) -> None:
        """Give a file to the user that runs the server."""
        if self._user is not None:
            shutil.chown(path, self._user)

    def start(self) -> None:
        """Start, on the same port as before if it has had one."""
        for _ in range(5):
            port = self.port or free_port()
            options = {**self.settings, "port": str(port)}
            written = (f"-c {name}='{value}'" for name, value in options.items())
            command = ("--wait", "--pgdata", str(self.data), "--log", str(self.log))
            started = self._try("pg_ctl", "start", *command, "--options", " ".join(written))
            if started.returncode == 0:
                self.port = port
                return
            # Another program may have taken the port in between; a fixed one is waited for.
            time.sleep(0.1)
        raise binaries.NoPostgres(
            f"PostgreSQL does not start: {self.log.read_text('utf-8')[-2000:]}"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop: "fast" closes all connections, "immediate" crashes; the start recovers."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", str(self.data))

    def restart(self, mode: str = "fast") -> None:
        """Stop, and start on the same port."""
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """Stop all its processes as a paused machine does: connections stay, nothing responds."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        postmaster = self.postmaster
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout.split()
        pairs = zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True)
        return [postmaster, *(process for process, parent in pairs if parent == postmaster)]

    @property
    def postmaster(self) -> int:
        """The process ID of the server."""
        return int((self.data / "postmaster.pid").read_text("utf-8").split()[0])

    def remove(self) -> None:
        """Stop and delete everything."""
        stop_and_delete(self.folder)

    def url(self, database: str = "postgres", *, user: str = ADMIN, password: str = "") -> str:
        """Return the URL of a database; without a password, that of the two users here."""
        known = password or self.password
        return f"postgresql://{user}:{known}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Connect as the administrator; each statement is a transaction of its own."""
        return psycopg.connect(self.url(database), autocommit=True)

    def create_database(self, name: str) -> str:
        """Create a database of the ordinary user and return its URL."""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        return self.url(name, user=OWNER)

    def program(self, name: str) -> str:
        """Return the path of one of the programs, such as `pg_dump`."""
        return str(self._programs / name)

    def _run(self, program: str, *arguments: str) -> None:
        done = self._try(program, *arguments)
        if done.returncode:
            raise binaries.NoPostgres(f"{program} failed: {done.stdout}{done.stderr}")

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return binaries.run(self._user, self.program(program), *arguments)

    def _watch(self) -> None:
        """Start a process that removes everything if this one cannot."""
        watchdog = Path(__file__).with_name("watchdog.py")
        command = [sys.executable, "-I", str(watchdog), str(self.watched), str(self.folder)]
        # Twice removed, so that no parent has to wait for it.
        code = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
        subprocess.run(
            [sys.executable, "-I", "-c", code, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def stop_and_delete(folder: Path) -> None:
    """Stop the server of a folder at once, if it runs, and delete the folder."""
    lock = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + 20
    try:
        os.kill(int(lock.read_text("utf-8").split()[0]), signal.SIGQUIT)
    except (OSError, IndexError, ValueError):
        pass  # it does not run
    else:
        while lock.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a port of the loopback that was free a moment ago."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
