"""Errors of processes that share a job."""

from __future__ import annotations

from asyncsim.errors import JournalError

READ_FIRST = "run the same command again, it reads the SIMs first"
"""Advice after writes whose outcome is unknown."""


class Fenced(JournalError):
    """Another process has taken over the chunk or job: this one writes and sends nothing more."""


class JournalFailed(JournalError):
    """The database of a journal has failed.

    `advice` says what to do if that has ended a command; empty if nothing is to be said. `message`
    lacks it, for the logs of workers, which retry.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}" if self.advice else self.message


class LeaseLost(JournalError):
    """A worker could not renew its lease of a chunk in time; another worker may own the chunk.

    `sent` tells whether the change may have been carried out.
    """

    def __init__(self, asked: str, *, sent: bool) -> None:
        self.asked = asked
        self.sent = sent
        state = "it may have been carried out" if sent else "nothing was sent"
        super().__init__(
            f"{asked}: this worker could not reach its database in time, so another worker may own"
            f" the chunk now; {state}"
        )
