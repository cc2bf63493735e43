"""Drift: the SIMs of an input that are not in the state that it asks for.

A dry run finds them, so drift has the verdicts of a job's plan.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from attrs import frozen

from asyncsim.bulk.actions import CLEAR, Action, keywords
from asyncsim.bulk.atomic_file import write_csv
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import HOPELESS, SUCCEEDED, Head, State, Verdict
from asyncsim.errors import JournalError
from asyncsim.vendors import Product

_NOT_SUCCEEDED = frozenset(State) - SUCCEEDED


@frozen(kw_only=True)
class DriftedSim:
    """A row whose SIM is not in the state that the input asks for."""

    line: int
    name: str
    """As in the input: SID, ICCID or unique name."""
    sid: str | None
    """None for an unknown SIM."""
    verdict: Verdict
    status: str | None
    """The SIM's current status."""
    wanted: Mapping[str, Any]
    """The keywords of the update that the input asks for; None clears a field."""

    @property
    def can_be_fixed(self) -> bool:
        """Whether a request leads to the wanted state."""
        return self.verdict not in HOPELESS


async def find_drift(journal: Journal) -> AsyncGenerator[DriftedSim, None]:
    """Iterate over the drifted SIMs after a dry run with this journal, in input order."""
    head = await _head_of(journal)
    async with aclosing(journal.results(_NOT_SUCCEEDED)) as results:
        async for result in results:
            if result.verdict is not None:
                yield DriftedSim(
                    line=result.line,
                    name=result.name,
                    sid=result.sid,
                    verdict=result.verdict,
                    status=result.before,
                    wanted={**head.change, **(result.change or {})},
                )


async def write_fix(journal: Journal, file: str | os.PathLike[str]) -> int:
    """Write the input of a job that brings the drifted SIMs back; returns its number of rows.

    Its columns are `sid` and the keywords of the change, so that an update job without `change`
    applies them all. An existing file is replaced. OSError if it cannot be written.
    """
    head = await _head_of(journal)
    taken = {*head.change, *journal.applied}
    columns = [one for one in keywords(Product(head.product), Action.UPDATE) if one in taken]

    async def rows() -> AsyncGenerator[list[str], None]:
        async with aclosing(find_drift(journal)) as drifted:
            async for sim in drifted:
                if sim.can_be_fixed and sim.sid is not None:
                    yield [sim.sid, *(_cell(sim.wanted, column) for column in columns)]

    async with aclosing(rows()) as fixable:
        return await write_csv(file, ("sid", *columns), fixable)


async def _head_of(journal: Journal) -> Head:
    head = await journal.head()
    if head is None:
        raise JournalError(f"journal {journal.target} contains no job: run one with it first")
    return head


def _cell(wanted: Mapping[str, Any], column: str) -> str:
    if column not in wanted:
        return ""  # an empty cell changes nothing
    value = wanted[column]
    return CLEAR if value is None else str(value)
