"""The commands, and what all of them share: arguments in, an exit code out, never a traceback."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from asyncsim import AsyncSimError, JobError, __version__
from asyncsim.cli import again, terminal
from asyncsim.cli.activate import activate
from asyncsim.cli.bulk import bulk
from asyncsim.cli.demo import demo
from asyncsim.cli.emulate import emulate
from asyncsim.cli.exits import CommandError, Exit, code_of
from asyncsim.cli.jobs import jobs
from asyncsim.cli.signals import survive_hangup, terminated_like_interrupted
from asyncsim.cli.sims import sims
from asyncsim.cli.slips import check_filled, worded
from asyncsim.cli.streams import ReaderLeft, lasting

app = App(
    name="asyncsim",
    help="Change SIMs at Twilio and KORE, and know how each one ended.",
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
)
for _command in (demo, emulate, sims, activate, bulk, jobs):
    app.command(_command)


def start(arguments: Sequence[str]) -> int:
    """Run a command line to its end and return the exit code."""
    survive_hangup()
    logging.getLogger().addHandler(terminal.Log(logging.WARNING))
    with lasting():
        try:
            return asyncio.run(execute(arguments))
        except (KeyboardInterrupt, asyncio.CancelledError):
            terminal.fail("cancelled")
            return Exit.CANCELLED


async def execute(arguments: Sequence[str]) -> int:
    """Run a command line in the running loop and return the exit code."""
    again.remember(arguments)
    try:
        check_filled(arguments)
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        result: Any = command(*bound.args, **bound.kwargs)
        if asyncio.iscoroutine(result):
            with terminated_like_interrupted():
                result = await result
        sys.stdout.flush()  # what could not be written is told here, not as Python exits
    except CycloptsError as error:
        terminal.fail(worded(error, app, arguments))
        return Exit.USAGE
    except ReaderLeft:
        return Exit.OK
    # TypeError is left out: the library raises it for bad calls, which would be ours.
    except (CommandError, AsyncSimError, ValueError, OSError) as error:
        _tell(error)
        return code_of(error)
    return Exit.OK if result is None else int(result)


def _tell(error: Exception) -> None:
    if isinstance(error, JobError) and len(error.problems) > 1:
        terminal.fail_all(error.message, error.problems)
    else:
        terminal.fail(str(error))
