"""Entry point of the command `asyncsim`: Ctrl-C while Python imports the package ends it quietly.

Outside the package, whose import takes most of the time of a start.
"""

import os
import signal

_CANCELLED = 130  # as `asyncsim.cli.exits.Exit.CANCELLED`


def main() -> None:
    """Run the command line, and exit with its code."""
    # Not if it is ignored: the commands of a background script ignore it, too.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
        try:  # noqa: SIM105  # contextlib would be one more import before that
            import asyncsim.cli.app  # noqa: F401
        except ImportError:
            pass  # `asyncsim.cli.main` says which extra is missing
        signal.signal(signal.SIGINT, signal.default_int_handler)
    from asyncsim.cli import main

    main()


def _end(number: int, frame: object) -> None:
    # At once, because nothing has begun. A KeyboardInterrupt is lost in some places of an import,
    # such as a callback of a weak reference.
    try:  # noqa: SIM105  # as above
        os.write(2, b"asyncsim: cancelled\n")
    except OSError:
        pass  # stderr is closed
    os._exit(_CANCELLED)
