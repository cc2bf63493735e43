"""The command line: the public API with a terminal in front. Needs the extra `cli`."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"aiosqlite", "cyclopts", "filelock", "rich", "sqlalchemy"})


def main() -> None:
    """Run the command line and exit with its code; the entry point `asyncsim`."""
    try:
        from asyncsim.cli.app import start
        from asyncsim.cli.signals import ignore_hangup
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit(_without_extra())
    code = start(sys.argv[1:])
    ignore_hangup()
    sys.exit(code)


def _without_extra() -> int:
    sys.stderr.write(
        'asyncsim: the command line needs an extra; install it with: pip install "asyncsim[cli]"\n'
    )
    return 2
