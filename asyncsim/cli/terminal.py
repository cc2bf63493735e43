"""Where text goes: data to stdout, everything else to stderr.

No colour is set as a background, so that light and dark terminals both stay readable.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asyncsim.cli.streams import ReaderLeft

_LISTED = 50
"""Problems that are shown; who has more than these mends them in the tool the file came from."""
_UNBOUNDED = 1000  # columns: a file or a pipe has no edge at which text must be cut
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control, format (which turns the direction of text), half of a surrogate
pair, separators of lines."""
_JOINERS = "\u200c\u200d"  # format characters that names and emoji are written with


def stderr() -> Console:
    """The console for progress, reports and messages."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    # Names may have [brackets] and :colons: in them, which mean nothing here.
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def show(table: Table, *, on_stderr: bool = False) -> None:
    """Print a table; a pipe gets it whole, without padding at the ends of lines."""
    stream = sys.stderr if on_stderr else sys.stdout
    if stream.isatty():
        _console(stream).print(table)
        return
    console = Console(
        file=io.StringIO(), width=_UNBOUNDED, color_system=None,
        markup=False, emoji=False, highlight=False,
    )  # fmt: skip
    with console.capture() as captured:
        console.print(table)
    stream.writelines(line.rstrip() + "\n" for line in captured.get().split("\n")[:-1])
    stream.flush()


def show_rows(rows: Sequence[tuple[str, Text]], *, on_stderr: bool = False) -> None:
    """Print texts behind labels; a line is never broken: commands and paths can be copied."""
    console = _console(sys.stderr if on_stderr else sys.stdout)
    width = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        for number, part in enumerate(text.split("\n")):
            start = ("" if number else label).ljust(width)
            console.print(Text.assemble((start, "bold"), part), soft_wrap=True)


def data() -> TextIO:
    """Stdout for programs: UTF-8 whatever its encoding was, and no line ends but ours."""
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        # Half of a surrogate pair, which a vendor's JSON may hold, becomes what JSON calls it.
        reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    return sys.stdout


@contextlib.contextmanager
def product() -> Iterator[None]:
    """Print what a command is for; that its reader leaves does not change how it ends."""
    with contextlib.suppress(ReaderLeft):
        yield
        sys.stdout.flush()


def printable(text: str) -> str:
    r"""Text from elsewhere, with all that would steer the terminal escaped: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(_escaped(one) if is_steering(one) else one for one in text)


def is_steering(one: str) -> bool:
    """Tell whether a character would do something to a terminal, or to the text beside it."""
    return unicodedata.category(one) in _STEERING and one not in _JOINERS


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()


def line(text: str) -> Text:
    """A message that stays one line, however narrow the terminal: what is copied from it works."""
    return Text(printable(text), no_wrap=True, overflow="ignore")


def say(text: str) -> None:
    """Write a message to stderr, word for word."""
    stderr().print(line(text), soft_wrap=True)


class Log(logging.Handler):
    """Warnings of the library, as messages: a vendor's words may be among them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one; a traceback keeps its lines."""
        for one in self.format(record).splitlines():
            say(one)


def fail(text: str) -> None:
    """Write why a command ended: one line, whatever the error's text looks like."""
    say("asyncsim: " + re.sub(r"\s*[\r\n]+\s*", " ", text.strip()))


def fail_all(text: str, problems: Sequence[str]) -> None:
    """Write why a command ended, and all that is wrong, a line each."""
    fail(text)
    for problem in problems[:_LISTED]:
        say(f"  {problem}")
    if len(problems) > _LISTED:
        say(f"  ... and {len(problems) - _LISTED:,} more")
