"""Where text goes: data to stdout, everything else to stderr.

No colour is set as a background, so that light and dark terminals both stay readable.
"""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console
from rich.table import Table

_UNBOUNDED = 1000  # columns: a file or a pipe has no edge at which text must be cut


def stderr() -> Console:
    """The console for progress, reports and messages."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def show(table: Table) -> None:
    """Print a table to stdout; a pipe gets it whole, without padding at the ends of lines."""
    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    console = Console(highlight=False, width=_UNBOUNDED, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a message to stderr, word for word."""
    stderr().print(text, markup=False)


def fail(text: str) -> None:
    """Write why a command ended: one line, whatever the error's text looks like."""
    say(f"asyncsim: {' '.join(text.split())}")


def abandon_stdout() -> None:
    """Stop writing: whoever read our output has gone (`| head`)."""
    # Without this, Python complains once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
