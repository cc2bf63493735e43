"""What every contender does here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from benchmarks.stub.answers import ACCOUNT

TOKEN = "t" * 32
FLEET = "HF" + "b" * 32
__all__ = ["ACCOUNT", "FLEET", "TOKEN", "Verb", "Verbs"]

Verb = Callable[[str], Awaitable[str]]
"""Asks about a SID, returns the SID of the answer."""


@frozen
class Verbs:
    """One contender."""

    fetch: Verb
    update: Verb
    """Sets a status and a Fleet."""
