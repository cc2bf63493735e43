"""How a command ends: exit codes, and the one line that says why."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from asyncsim import (
    AsyncSimError,
    AuthenticationError,
    ConfigurationError,
    PermissionDenied,
    ReceiverError,
    Unsupported,
)


class Exit(enum.IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    """All reached the goal."""
    FAILED = 1
    """Some failed."""
    USAGE = 2
    """Bad usage, or a file that cannot be used; nothing was sent."""
    PENDING = 3
    """Pending or timed out: run it again."""
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
    if isinstance(error, TimeoutError):
        return Exit.PENDING
    if isinstance(error, ConfigurationError | ReceiverError | Unsupported):
        return Exit.USAGE
    return Exit.FAILED if isinstance(error, AsyncSimError) else Exit.USAGE


def code_of_many(errors: Iterable[Exception | None]) -> Exit:
    """The exit code of many SIMs: a failure outweighs what is only late."""
    codes = {code_of(error) for error in errors if error is not None}
    if not codes:
        return Exit.OK
    if codes == {Exit.PENDING}:
        return Exit.PENDING
    return Exit.CREDENTIALS if codes == {Exit.CREDENTIALS} else Exit.FAILED
