"""The command line of the public API. Needs the extra `cli`."""

from __future__ import annotations

import sys

_EXTRA = frozenset(
    {"aiosqlite", "cyclopts", "filelock", "platformdirs", "rich", "sqlalchemy", "tomlkit"}
)


_OF_POSTGRES = frozenset({"procrastinate", "psycopg", "psycopg_pool"})


def main() -> None:
    """Run the command line and exit with its code; the entry point `asyncsim`."""
    try:
        from asyncsim.cli.app import start
        from asyncsim.cli.signals import ignore_hangup

        code = start(sys.argv[1:])
        ignore_hangup()
    except ImportError as error:
        # Commands are imported when they run, and cyclopts wraps what happens there.
        missing = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        name = (missing.name or "").partition(".")[0]
        if name in _EXTRA:
            what, extra = "the command line needs", "cli"
        elif name in _OF_POSTGRES:
            what, extra = "a shared journal needs", "postgres"
        else:
            raise
        sys.stderr.write(
            f'asyncsim: {what} an extra; install it with: pip install "asyncsim[{extra}]"\n'
        )
        code = 2
    except KeyboardInterrupt:  # while modules are imported; later ones are handled by `start`
        sys.stderr.write("asyncsim: cancelled\n")
        code = 130
    sys.exit(code)
