"""Where text goes: data to stdout, everything else to stderr.

No colour is set as a background, so that light and dark terminals both stay readable.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_LISTED = 50
"""Problems that are shown; who has more than these mends them in the tool the file came from."""
_UNBOUNDED = 1000  # columns: a file or a pipe has no edge at which text must be cut


def stderr() -> Console:
    """The console for progress, reports and messages."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def show(table: Table, *, on_stderr: bool = False) -> None:
    """Print a table; a pipe gets it whole, without padding at the ends of lines."""
    stream = sys.stderr if on_stderr else sys.stdout
    if stream.isatty():
        Console(highlight=False, stderr=on_stderr).print(table)
        return
    console = Console(highlight=False, width=_UNBOUNDED, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(table)
    stream.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())
    stream.flush()


def printable(text: str) -> str:
    """Text from elsewhere, without characters that would steer the terminal."""
    return "".join(one if one.isprintable() else " " for one in text)


def say(text: str) -> None:
    """Write a message to stderr, word for word."""
    stderr().print(text, markup=False)


def fail(text: str) -> None:
    """Write why a command ended: one line, whatever the error's text looks like."""
    say(f"asyncsim: {' '.join(text.split())}")


def fail_all(text: str, problems: Sequence[str]) -> None:
    """Write why a command ended, and all that is wrong, a line each."""
    fail(text)
    for problem in problems[:_LISTED]:
        say(f"  {printable(problem)}")
    if len(problems) > _LISTED:
        say(f"  ... and {len(problems) - _LISTED:,} more")


def abandon_stdout() -> None:
    """Stop writing: whoever read our output has gone (`| head`)."""
    # Without this, Python complains once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
