"""The small steps of single rows, as statements that are written many at a time."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Boolean, Float, Integer, Text, Update, bindparam, case, func, null, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk import failures
from asyncsim.bulk.journal.columns import Moment, Word
from asyncsim.bulk.journal.schema import rows
from asyncsim.bulk.records import UNFINISHED, Ending, State
from asyncsim.errors import JournalError


class Kind(enum.Enum):
    """What a row goes through while a job runs."""

    INTENT = enum.auto()
    ACCEPTED = enum.auto()
    BACK = enum.auto()
    ENDED = enum.auto()


@frozen
class Move:
    """One step of one row."""

    kind: Kind
    row: int
    values: Mapping[str, Any] = {}


def accepted(row: int, reference: str | None, now: datetime) -> Move:
    """The vendor has accepted it."""
    return Move(Kind.ACCEPTED, row, {"new_reference": reference, "now": now})


def ended(row: int, ending: Ending, now: datetime) -> Move:
    """It has ended, or is left where it is."""
    error = ending.error
    values = {
        "new_state": ending.state,
        "new_status": ending.status,
        "new_error_type": error and type(error).__name__,
        "new_error": error and _storable(str(error)),
        "new_error_parts": error and failures.dump(error),
        "new_settled_by": ending.settled_by,
        "new_confirmed": ending.confirmed,
        "more_requests": ending.requests,
        "new_seconds": ending.seconds,
        "new_sid": ending.sid,
        "new_reference": ending.reference,
        "now": None if ending.state in UNFINISHED else now,
    }
    return Move(Kind.ENDED, row, values)


def _storable(text: str) -> str:
    # A vendor's JSON may hold half a surrogate pair, which no database takes.
    return text.encode(errors="replace").decode()


def _one_row() -> Update:
    return update(rows).where(rows.c.number == bindparam("row", type_=Integer))


def _text(name: str) -> Any:
    return bindparam(name, type_=Text)


_now = bindparam("now", type_=Moment)
_reference = func.coalesce(_text("new_reference"), rows.c.reference)
_STATEMENTS = {
    # What an earlier sending was answered says nothing about this one.
    Kind.INTENT: _one_row().values(
        state=State.SENDING, retry=False, accepted_at=null(), reference=null()
    ),
    Kind.ACCEPTED: _one_row().values(
        state=State.ACCEPTED,
        accepted_at=_now,
        reference=_reference,
        error_type=null(),
        error=null(),
        error_parts=null(),
    ),
    # The plan has cleared the error of all others: what has one was to be a retry.
    Kind.BACK: _one_row().values(
        state=case((rows.c.error_type.is_not(null()), State.FAILED), else_=State.READY)
    ),
    Kind.ENDED: _one_row().values(
        state=bindparam("new_state", type_=Word(State)),
        status=func.coalesce(_text("new_status"), rows.c.status),
        error_type=_text("new_error_type"),
        error=_text("new_error"),
        error_parts=_text("new_error_parts"),
        settled_by=_text("new_settled_by"),
        confirmed=bindparam("new_confirmed", type_=Boolean),
        requests=rows.c.requests + bindparam("more_requests", type_=Integer),
        seconds=bindparam("new_seconds", type_=Float),
        sid=func.coalesce(_text("new_sid"), rows.c.sid),
        reference=_reference,
        ended_at=_now,
    ),
}


def stages(moves: Iterable[Move]) -> list[dict[Kind, list[Move]]]:
    """Sort moves into few statements of many rows, each row's own moves in their order.

    The first move of each row comes into the first stage, its second into the second, so
    within a stage no row occurs twice and the kinds may be written one after the other.
    """
    sorted_: list[dict[Kind, list[Move]]] = []
    seen: defaultdict[int, int] = defaultdict(int)
    for move in moves:
        place = seen[move.row]
        seen[move.row] += 1
        if place == len(sorted_):
            sorted_.append({})
        sorted_[place].setdefault(move.kind, []).append(move)
    return sorted_


async def write(connection: AsyncConnection, moves: Iterable[Move]) -> None:
    """Write them down, in as few statements as their order allows."""
    for stage in stages(moves):
        for kind, some in stage.items():
            await _write_kind(connection, kind, some)


async def _write_kind(connection: AsyncConnection, kind: Kind, moves: Sequence[Move]) -> None:
    values = [{"row": move.row, **move.values} for move in moves]
    result = await connection.execute(_STATEMENTS[kind], values)
    if result.rowcount != len(values):
        raise JournalError(
            "rows of the journal are gone: another program has changed the file;"
            " bring it back from a backup"
        )
