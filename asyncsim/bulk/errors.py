"""Errors of processes that share a job."""

from __future__ import annotations

from asyncsim.errors import JournalError


class Fenced(JournalError):
    """Another process has taken over the work of this one, which writes and sends nothing more."""
