"""The command as it was typed, for people to run it again."""

from __future__ import annotations

import os
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

_WINDOWS = os.name == "nt"
_PLAIN = frozenset(string.ascii_letters + string.digits + " _@%+=:,./-")
_typed: ContextVar[Sequence[str]] = ContextVar("typed", default=())


def remember(arguments: Sequence[str]) -> None:
    """Take note of a command line."""
    _typed.set(tuple(arguments))


def command() -> str:
    """The command that goes on where the one that was typed has stopped, quoted for a shell."""
    typed = list(_typed.get())
    if typed[:2] == ["jobs", "retry-failed"]:
        typed[1] = "resume"  # else what has failed since would be sent once more, too
    return _quoted([*_program(), *typed])


def _quoted(arguments: Sequence[str]) -> str:
    if _WINDOWS:
        return subprocess.list2cmdline(arguments)
    return " ".join(map(_word, arguments))


def _word(argument: str) -> str:
    """One word for a shell, in characters that every terminal shows as they are."""
    try:
        argument.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        plain = False
    else:
        plain = argument.isprintable()
    if plain:
        return shlex.quote(argument)
    # What bash, zsh and ksh call ANSI-C quoting, and POSIX has since 2024.
    codes = (chr(code) for code in os.fsencode(argument))
    return "$'" + "".join(one if one in _PLAIN else f"\\x{ord(one):02x}" for one in codes) + "'"


def _program() -> list[str]:
    """`asyncsim`, unless this one was started in another way."""
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return [sys.executable, "-m", "asyncsim.cli"]
    found = shutil.which("asyncsim")
    if own.name != "asyncsim" or not own.is_file() or (found and own.samefile(found)):
        return ["asyncsim"]
    return [str(own)]  # one of several environments, of which only the path tells
