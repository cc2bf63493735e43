"""What is wrong with a command line, in words that help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from cyclopts import (
    App,
    CycloptsError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from asyncsim.cli.exits import CommandError
from asyncsim.suggestions import closest_match

_EMPTY = "is a variable unset? To clear a field, use --clear, as in --clear unique-name"


def worded(error: CycloptsError, app: App, arguments: Sequence[str]) -> str:
    """The error's own words, or what was misspelt."""
    _, commands, rest = app.parse_commands(arguments)
    if isinstance(error, UnknownCommandError) and rest:
        known = [name for name in commands[-1] if not name.startswith("-")]
        return f"{_unknown('command', rest[0], known)} Commands: {', '.join(known)}."
    # FILE may be `-`, so a command takes an option that it does not know for its FILE, and
    # complains of what stands after it.
    if isinstance(error, UnusedCliTokensError | UnknownOptionError):
        options = options_of(commands[-1])
        for one in rest:
            name = one.partition("=")[0]
            if name.startswith("--") and name not in options:
                return _unknown("option", name, sorted(options))
    return str(error)


def check_filled(arguments: Sequence[str]) -> None:
    """Refuse an empty value (`--fleet "$UNSET"`): it would clear a field, or lift a filter."""
    for before, one in pairwise(["", *arguments]):
        option, equals, value = one.partition("=")
        if one.startswith("--") and equals and not value.strip():
            raise CommandError(f"{option} has an empty value; {_EMPTY}")
        if not one.strip():
            what = (
                f"{before} has an empty value" if before.startswith("-") else "an argument is empty"
            )
            raise CommandError(f"{what}; {_EMPTY}")


def options_of(command: App) -> set[str]:
    """Names of a command's options."""
    names = (name for one in command.assemble_argument_collection() for name in one.names)
    return {name for name in names if name.startswith("-")}


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = closest_match(name, known)
    return f"Unknown {what}: {name}." + (f" Did you mean {near}?" if near else "")
