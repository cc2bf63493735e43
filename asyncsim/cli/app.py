"""The command line: arguments in, an exit code out, never a traceback."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from cyclopts import (
    App,
    CycloptsError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from asyncsim import AsyncSimError, JobError, __version__
from asyncsim.cli import output, resume
from asyncsim.cli.common_options import CommonOptions, in_effect, parse_common
from asyncsim.cli.elsewhere import OTHER_PLACES
from asyncsim.cli.exits import CommandError, Exit, exit_code
from asyncsim.cli.signals import survive_hangup, terminated_like_interrupted
from asyncsim.cli.streams import ReaderLeft, lasting
from asyncsim.suggestions import closest_match

app = App(
    name="asyncsim",
    help="Activate and update SIMs at Twilio and KORE, and get the outcome of each change.",
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
)
app.meta.default(parse_common)
# Registered by path: a command is imported when it runs, so that --help and --version load neither
# SQLAlchemy nor the emulator (tests/cli/test_startup.py). So their help is repeated here.
for _name, _path, _help, _example in (
    (
        "demo",
        "demo:demo",
        "Activate SIMs of an emulator in this process: no account, no network.",
        "asyncsim demo --sims 200 --lose-callbacks 0.3",
    ),
    (
        "emulate",
        "emulate:emulate",
        "Serve the SIM APIs of both vendors on this machine until Ctrl-C.",
        "asyncsim emulate --sims 500 --speed 20 --state emulator.db",
    ),
    ("sims", "sims:sims", "List, show and update SIMs, and wait for them.", None),
    ("fleets", "fleets:fleets", "List and show Fleets (Super SIM).", None),
    (
        "rate-plans",
        "rate_plans:rate_plans",
        "List and show rate plans (Programmable Wireless).",
        None,
    ),
    ("commands", "commands:commands", "List and show SMS Commands to and from SIMs.", None),
    (
        "activate",
        "bulk:activate",
        "Activate the SIMs in a file; run it again to resume.",
        "asyncsim activate batch.csv --fleet my-fleet",
    ),
    (
        "drift",
        "drift:drift",
        "Find the SIMs that are not in the state that a file asks for.",
        "asyncsim drift fleet.csv --fix fix.csv",
    ),
    ("bulk", "bulk:bulk", "Jobs over the SIMs in a file.", None),
    (
        "doctor",
        "doctor:doctor",
        "Check the account, the network and callbacks from this machine.",
        "asyncsim doctor --listen 8080 --public-url https://sims.example.com/hooks",
    ),
    (
        "completion",
        "completion:completion",
        "Print a shell's completion script.",
        "asyncsim completion bash > asyncsim.bash",
    ),
    (
        "listen",
        "listen:listen",
        "Print callbacks as they arrive, and forward them, until Ctrl-C.",
        "asyncsim listen --public-url https://x.example --forward-to http://127.0.0.1:8000",
    ),
    (
        "receive",
        "receive:receive",
        "Receive callbacks for the processes that share a journal, until Ctrl-C or SIGTERM.",
        "asyncsim receive --journal postgresql://db.example/sims --public-url https://x.example",
    ),
    ("auth", "auth:auth", "Profiles: log in, log out, switch between accounts.", None),
    (
        "jobs",
        "jobs:jobs",
        "Jobs: list, status, report, resume; submit to workers, pause, cancel.",
        None,
    ),
    (
        "worker",
        "worker:worker",
        "Run the jobs of a shared journal, for all profiles, until Ctrl-C or SIGTERM.",
        "asyncsim worker --journal postgresql://db.example.com/asyncsim",
    ),
):
    _help += f"\n\nExample: {_example}" if _example else ""
    app.command(f"asyncsim.cli.{_path}", name=_name, help=_help)

# They log an outage in many lines, with tracebacks; our own loggers and errors take one line.
_LOUD = ("psycopg", "procrastinate.utils")
_EMPTY = "is a variable unset? To clear a field, use --clear, as in --clear unique-name"


def start(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code."""
    survive_hangup()
    logging.getLogger().addHandler(output.LogHandler())
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with lasting():
        try:
            return asyncio.run(execute(arguments))
        except (KeyboardInterrupt, asyncio.CancelledError):
            output.fail("cancelled")
            return Exit.CANCELLED


async def execute(arguments: Sequence[str]) -> int:
    """Run a command line in the running loop and return the exit code."""
    resume.remember(arguments)
    try:
        reject_empty_values(arguments)
        command, bound, _ = app.meta.parse_args(arguments, exit_on_error=False, print_error=False)
        result: Any = command(*bound.args, **bound.kwargs)
        if isinstance(result, CommonOptions):  # otherwise it was --help or --version
            arguments = result.rest
            with in_effect(result):
                result = await _run(arguments)
        sys.stdout.flush()  # a write error is reported here, not while Python exits
    except CycloptsError as error:
        output.fail(explain(error, arguments))
        return Exit.USAGE
    except ReaderLeft:
        return Exit.OK
    # Without TypeError: the library raises it for wrong calls, which would be our bug.
    except (CommandError, AsyncSimError, ValueError, OSError) as error:
        if isinstance(error, JobError) and len(error.problems) > 1:
            output.fail_all(error.message, error.problems)
        else:
            output.fail(str(error))
        return exit_code(error)
    return Exit.OK if result is None else int(result)


async def _run(arguments: Sequence[str]) -> Any:
    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    result = command(*bound.args, **bound.kwargs)
    if asyncio.iscoroutine(result):
        with terminated_like_interrupted():
            result = await result
    return result


def reject_empty_values(arguments: Sequence[str]) -> None:
    """Reject an empty value (`--fleet "$UNSET"`): it would clear a field, or remove a filter."""
    for before, one in pairwise(["", *arguments]):
        option, equals, value = one.partition("=")
        if one.startswith("--") and equals and not value.strip():
            raise CommandError(f"{option} has an empty value; {_EMPTY}")
        if not one.strip():
            what = (
                f"{before} has an empty value" if before.startswith("-") else "an argument is empty"
            )
            raise CommandError(f"{what}; {_EMPTY}")


def explain(error: CycloptsError, arguments: Sequence[str]) -> str:
    """Describe the error in a command line: the misspelled word, or cyclopts' own message."""
    path, commands, rest = app.parse_commands(arguments)
    if isinstance(error, UnknownCommandError) and rest:
        known = [name for name in commands[-1] if not name.startswith("-")]
        return f"{_unknown('command', rest[0], known)} Commands: {', '.join(known)}."
    # FILE may be `-`, so cyclopts takes an unknown option as the FILE and reports the
    # argument after it.
    if isinstance(error, UnusedCliTokensError | UnknownOptionError):
        names = (name for one in commands[-1].assemble_argument_collection() for name in one.names)
        options = {name for name in names if name.startswith("-")}
        for one in rest:
            name = one.partition("=")[0]
            if name.startswith("--") and name not in options:
                if elsewhere := OTHER_PLACES.get(" ".join(path), {}).get(name):
                    return f"{name} is not an option of {' '.join(path)}: {elsewhere}"
                return _unknown("option", name, sorted(options))
    return str(error)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = closest_match(name, known)
    return f"Unknown {what}: {name}." + (f" Did you mean {near}?" if near else "")
