"""What is wrong with a command line, in words that help."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import App, CycloptsError, UnusedCliTokensError


def worded(error: CycloptsError, app: App, arguments: Sequence[str]) -> str:
    """The error's own words, or the option that was misspelt."""
    # FILE may be `-`, so a command takes an option that it does not know for its FILE, and
    # complains of what stands after it.
    if isinstance(error, UnusedCliTokensError):
        _, commands, rest = app.parse_commands(arguments)
        known = options_of(commands[-1])
        for one in rest:
            name = one.partition("=")[0]
            if name.startswith("--") and name not in known:
                return _unknown(name, known)
    return str(error)


def options_of(command: App) -> set[str]:
    """Names of a command's options."""
    names = (name for one in command.assemble_argument_collection() for name in one.names)
    return {name for name in names if name.startswith("-")}


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"Unknown option: {name}." + (f" Did you mean {near[0]}?" if near else "")
