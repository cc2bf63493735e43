"""The command line of the public API. Needs the extra `cli`."""

from __future__ import annotations

import sys

_EXTRA = frozenset(
    {"aiosqlite", "cyclopts", "filelock", "platformdirs", "rich", "sqlalchemy", "tomlkit"}
)


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
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            "asyncsim: the command line needs an extra; install it with:"
            ' pip install "asyncsim[cli]"\n'
        )
        code = 2
    except KeyboardInterrupt:  # while modules are imported; later ones are handled by `start`
        sys.stderr.write("asyncsim: cancelled\n")
        code = 130
    sys.exit(code)
