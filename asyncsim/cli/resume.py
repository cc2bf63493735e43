"""The command that resumes a job: the original command line, quoted for a shell."""

from __future__ import annotations

import os
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from itertools import pairwise
from pathlib import Path

_WINDOWS = os.name == "nt"
_PLAIN = frozenset(string.ascii_letters + string.digits + " _@%+=:,./-")
_typed: ContextVar[Sequence[str]] = ContextVar("typed", default=())


def remember(arguments: Sequence[str]) -> None:
    """Remember the arguments of this command line."""
    _typed.set(tuple(arguments))


def resume_command() -> str:
    """Return the command that resumes this command line's job."""
    typed = list(_typed.get())
    for before, (one, other) in enumerate(pairwise(typed)):  # options may stand in front
        if (one, other) == ("jobs", "retry-failed"):
            typed[before + 1] = "resume"  # retry-failed would also retry rows that failed since
            break
    arguments = [*_program(), *typed]
    if _WINDOWS:
        return subprocess.list2cmdline(arguments)
    return " ".join(map(_quote, arguments))


def _quote(argument: str) -> str:
    """Quote one word for a shell, in characters that every terminal shows unchanged."""
    try:
        argument.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        is_plain = False
    else:
        is_plain = argument.isprintable()
    if is_plain:
        return shlex.quote(argument)
    # ANSI-C quoting: bash, zsh, ksh, and POSIX since 2024.
    codes = (chr(code) for code in os.fsencode(argument))
    return "$'" + "".join(one if one in _PLAIN else f"\\x{ord(one):02x}" for one in codes) + "'"


def _program() -> list[str]:
    """`asyncsim`, unless this process was started in another way."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return [sys.executable, "-m", "asyncsim.cli"]
    found = shutil.which("asyncsim")
    if own.name != "asyncsim" or not own.is_file() or (found and own.samefile(found)):
        return ["asyncsim"]
    return [str(own)]  # not the first one on the path
