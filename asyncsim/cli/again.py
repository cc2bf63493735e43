"""The command as it was typed, for people to run it again."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

_typed: ContextVar[Sequence[str]] = ContextVar("typed", default=())


def remember(arguments: Sequence[str]) -> None:
    """Take note of a command line."""
    _typed.set(tuple(arguments))


def command() -> str:
    """The command that was typed, quoted for a shell."""
    return shlex.join([*_program(), *_typed.get()])


def _program() -> list[str]:
    """`asyncsim`, unless this one was started in another way."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return [sys.executable, "-m", "asyncsim.cli"]
    found = shutil.which("asyncsim")
    if own.name != "asyncsim" or not own.is_file() or (found and own.samefile(found)):
        return ["asyncsim"]
    return [str(own)]  # one of several environments, of which only the path tells
