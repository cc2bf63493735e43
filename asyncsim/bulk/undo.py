"""The undo of a job: a file that brings its SIMs back to the statuses before it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

from attrs import frozen

from asyncsim.bulk.actions import Action, kind_of
from asyncsim.bulk.atomic_file import write_csv
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Head, Result, State
from asyncsim.core.goal import can_reach, is_irreversible
from asyncsim.errors import JobError, JournalError
from asyncsim.vendors import Product

# With those in doubt: the job that reads the file sees which of them have changed.
_CHANGED = frozenset({State.DONE, State.ACCEPTED, State.TIMED_OUT, State.SENDING, State.NO_ANSWER})


@frozen(kw_only=True)
class WrittenUndo:
    """The undo file of a job."""

    file: Path
    """Columns `sid` and `status`; input of an update job without `change`."""
    rows: int
    left_out: Mapping[str, int]
    """Why changed SIMs cannot be brought back -> how many."""


async def write_undo(journal: Journal, file: str | os.PathLike[str]) -> WrittenUndo:
    """Write the statuses, before the job, of the SIMs whose status it has changed.

    Only statuses: a Fleet, rate plan or name that the job has changed as well stays. Left out, and
    counted, are SIMs that no request leads back: from `deactivated`, or to `new`. An existing file
    is replaced. Raises `JobError` for a job that changes no status, OSError if the file
    cannot be written.
    """
    head = await journal.head()
    if head is None:
        raise JournalError(f"journal {journal.target} contains no job: run one with it first")
    if head.action != Action.UPDATE or "status" not in {*head.change, *journal.applied}:
        raise JobError(f"the job of {journal.target} changes no status, so there is none to undo")
    left_out: Counter[str] = Counter()

    async def rows() -> AsyncGenerator[tuple[str, str], None]:
        async with aclosing(journal.results(_CHANGED)) as results:
            async for result in results:
                target = {**head.change, **(result.change or {})}.get("status")
                if target is None or result.before == target:
                    continue
                if why := _why_not(head, result, target):
                    left_out[why] += 1
                else:
                    yield str(result.sid), str(result.before)

    async with aclosing(rows()) as changed:
        count = await write_csv(file, ("sid", "status"), changed)
    return WrittenUndo(file=Path(file), rows=count, left_out=dict(left_out))


def _why_not(head: Head, result: Result, target: str) -> str | None:
    """Return why a SIM cannot be brought back; None if it can."""
    kind, before = kind_of(Product(head.product)), result.before
    if result.sid is None or before is None or not kind.is_final(before):
        return "the status before the job is not known"
    if is_irreversible(kind, target) or is_irreversible(kind, before):
        return f"{target if is_irreversible(kind, target) else before} is irreversible"
    if not can_reach(kind, target, {before}):
        return f"no request leads from {target} back to {before}"
    return None
