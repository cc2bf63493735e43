"""Exit codes, and the error that ends a command with one of them."""

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


class Exit(enum.IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    """Every SIM reached its target."""
    FAILED = 1
    """Some SIMs failed."""
    USAGE = 2
    """Wrong usage, or an unusable file; nothing was sent."""
    PENDING = 3
    """Stopped early, pending or timed out: run the command again."""
    CREDENTIALS = 4
    """No credentials, or rejected ones."""
    REFUSED = 5
    """An irreversible or costly change was not confirmed; nothing was sent."""
    CANCELLED = 130
    """Ctrl-C; as in shells: 128 and the number of the signal."""


class CommandError(Exception):
    """Ends a command with one line on stderr and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


_UNUSABLE = (ConfigurationError, JobError, JournalError, ReceiverError, Unsupported)


def exit_code(error: Exception) -> Exit:
    """Choose the exit code of an error."""
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
