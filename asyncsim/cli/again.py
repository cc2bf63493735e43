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
    """The command that goes on where the one that was typed has stopped, quoted for a shell."""
    typed = list(_typed.get())
    if typed[:2] == ["jobs", "retry-failed"]:
        typed[1] = "resume"  # else what has failed since would be sent once more, too
    return shlex.join([*_program(), *typed])


def _program() -> list[str]:
    """`asyncsim`, unless this one was started in another way."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return [sys.executable, "-m", "asyncsim.cli"]
    found = shutil.which("asyncsim")
    if own.name != "asyncsim" or not own.is_file() or (found and own.samefile(found)):
        return ["asyncsim"]
    return [str(own)]  # one of several environments, of which only the path tells
