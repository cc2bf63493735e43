"""How a command ends: exit codes, and the one line that says why."""

from __future__ import annotations

import enum

from asyncsim import (
    AsyncSimError,
    AuthenticationError,
    ConfigurationError,
    JobError,
    JournalError,
    NotConfirmed,
    PermissionDenied,
    ReceiverError,
    Unsupported,
)
from asyncsim.bulk import Report
from asyncsim.bulk.records import SUCCEEDED, UNFINISHED


class Exit(enum.IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    """All reached the goal."""
    FAILED = 1
    """Some failed."""
    USAGE = 2
    """Bad usage, or a file that cannot be used; nothing was sent."""
    PENDING = 3
    """Stopped early, pending or timed out: run it again."""
    CREDENTIALS = 4
    """No credentials, or refused ones."""
    REFUSED = 5
    """Needs a confirmation that was not given; nothing was sent."""
    CANCELLED = 130
    """Ctrl-C; as shells have it: 128 and the number of the signal."""


class CommandError(Exception):
    """Ends a command with one line on stderr and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: Exception) -> Exit:
    """The exit code of an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, AuthenticationError | PermissionDenied):
        return Exit.CREDENTIALS
    if isinstance(error, NotConfirmed):
        return Exit.REFUSED
    if isinstance(error, TimeoutError):
        return Exit.PENDING
    if isinstance(error, _UNUSABLE):
        return Exit.USAGE
    return Exit.FAILED if isinstance(error, AsyncSimError) else Exit.USAGE


_UNUSABLE = (ConfigurationError, JobError, JournalError, ReceiverError, Unsupported)


def code_of_report(report: Report) -> Exit:
    """The exit code of a job: 3 while its run was cut short, else a failure outweighs delay."""
    failed = report.states.keys() - SUCCEEDED - UNFINISHED
    if report.stopped == "max_failures" or (failed and report.stopped is None):
        return Exit.FAILED
    return Exit.OK if report.ok else Exit.PENDING
