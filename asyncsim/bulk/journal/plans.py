"""One look at all SIMs: which rows it has still to judge, and what it says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.columns import Moment, Word
from asyncsim.bulk.journal.entries import ENTRY, entry
from asyncsim.bulk.journal.schema import in_states, job, rows
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, UNFINISHED, Entry, Planned, State, Verdict

_NAMES = 500  # in one statement, which has a limit of parameters


@frozen
class Look:
    """A look at the rows in some states; its number tells what it has judged already."""

    number: int
    states: frozenset[State]

    @property
    def ahead(self) -> ColumnElement[bool]:
        """What it has not come to yet."""
        return in_states(self.states) & (rows.c.look < self.number)


async def begin(connection: AsyncConnection, states: Collection[State]) -> Look:
    """Begin another look, at all rows that are in these states now."""
    number = (await connection.execute(select(job.c.looks))).scalar_one() + 1
    await connection.execute(update(job).values(looks=number))
    return Look(number, frozenset(states))


async def left(connection: AsyncConnection, look: Look) -> int:
    """How many rows are still ahead of it."""
    counted: int = (
        await connection.execute(select(func.count()).select_from(rows).where(look.ahead))
    ).scalar_one()
    return counted


async def match(connection: AsyncConnection, look: Look, names: Collection[str]) -> list[Entry]:
    """Return the rows still ahead that are called by one of these names, or are that SIM."""
    wanted = list(dict.fromkeys(names))
    found: dict[int, Entry] = {}
    for start in range(0, len(wanted), _NAMES):
        some = wanted[start : start + _NAMES]
        called = or_(rows.c.name.in_(some), rows.c.sid.in_(some))
        result = await connection.execute(select(*ENTRY).where(called, look.ahead))
        found |= {row["number"]: entry(row) for row in result.mappings()}
    return [found[number] for number in sorted(found)]


async def some_ahead(connection: AsyncConnection, look: Look, after: int, most: int) -> list[Entry]:
    """Return the next rows still ahead, in input order."""
    asked = select(*ENTRY).where(rows.c.number > after, look.ahead)
    result = await connection.execute(asked.order_by(rows.c.number).limit(most))
    return [entry(row) for row in result.mappings()]


# One by one: a list of values cannot stand in a statement for many rows.
_untouched = or_(*(rows.c.state == one for one in (State.READ, State.READY, State.IMPOSSIBLE)))
_seen = bindparam("new_before", type_=Text)
_judged = bindparam("new_verdict", type_=Word(Verdict))
_arrives = bindparam("arrives", type_=Boolean)
_stays_failed = bindparam("stays_failed", type_=Boolean)
_PLAN = (
    update(rows)
    .where(rows.c.number == bindparam("row", type_=Integer))
    .values(
        look=bindparam("this_look", type_=Integer),
        # Of what is done, the first verdict tells more than that it is there already.
        verdict=case((_arrives, func.coalesce(rows.c.verdict, _judged)), else_=_judged),
        state=bindparam("new_state", type_=Word(State)),
        sid=func.coalesce(bindparam("new_sid", type_=Text), rows.c.sid),
        # Once something was sent, what is seen now is no longer what it was before.
        before=case(
            (_untouched, func.coalesce(_seen, rows.c.before)),
            else_=func.coalesce(rows.c.before, _seen),
        ),
        status=func.coalesce(_seen, rows.c.status),
        # Done by what the list shows: that is as good as a read.
        note=bindparam("new_note", type_=Text),
        confirmed=case((_stays_failed, rows.c.confirmed), else_=_arrives),
        settled_by=case(
            (_stays_failed, rows.c.settled_by),
            (_arrives, func.coalesce(rows.c.settled_by, "sweep")),
            else_=null(),
        ),
        # What went wrong in an earlier run is not what is wrong now; but a row that failed keeps
        # its reason until its retry is sent.
        error_type=case((_stays_failed, rows.c.error_type), else_=null()),
        error=case((_stays_failed, rows.c.error), else_=null()),
        error_parts=case((_stays_failed, rows.c.error_parts), else_=null()),
        ended_at=case((_stays_failed, rows.c.ended_at), else_=bindparam("now", type_=Moment)),
        # A request may still be on its way when a look does not see what it has done.
        sent=or_(rows.c.sent, *(rows.c.state == one for one in sorted(IN_DOUBT))),
        retry=bindparam("is_tried_again", type_=Boolean),
    )
)


async def plan(
    connection: AsyncConnection, look: Look, planned: Sequence[Planned], now: Any
) -> None:
    """Write down what it says of these rows."""
    if planned:
        await connection.execute(_PLAN, list(_values(look, planned, now)))


def _values(look: Look, planned: Iterable[Planned], now: Any) -> Iterable[dict[str, Any]]:
    for one in planned:
        yield {
            "row": one.number,
            "this_look": look.number,
            "new_verdict": one.verdict,
            "new_state": one.state,
            "arrives": one.state is State.DONE,
            "new_sid": one.sid,
            "new_before": one.before,
            "new_note": one.note,
            "stays_failed": one.state is State.FAILED,
            "is_tried_again": one.state is State.FAILED and one.verdict not in HOPELESS,
            "now": None if one.state in UNFINISHED else now,
        }


async def approve(connection: AsyncConnection) -> None:
    """Mark all rows that will be, or are being, changed as agreed to."""
    ahead = in_states(UNFINISHED - {State.READ} | {State.FAILED})
    await connection.execute(update(rows).where(ahead).values(approved=True))


async def doubt(connection: AsyncConnection) -> int:
    """Take rows that are done by word of a callback alone for accepted: a look will tell."""
    heard = update(rows).where(rows.c.state == State.DONE, rows.c.confirmed.is_(False))
    result = await connection.execute(heard.values(state=State.ACCEPTED, ended_at=null()))
    return result.rowcount


async def retry(connection: AsyncConnection) -> int:
    """Mark failed rows to be tried again; returns how many there are."""
    failed = update(rows).where(rows.c.state == State.FAILED)
    return (await connection.execute(failed.values(retry=True))).rowcount


async def retry_nothing(connection: AsyncConnection) -> None:
    """Leave failed rows as they are."""
    await connection.execute(update(rows).where(rows.c.retry).values(retry=False))


async def retries(connection: AsyncConnection) -> int:
    """How many rows are still to be tried again."""
    asked = select(func.count()).select_from(rows).where(rows.c.retry)
    counted: int = (await connection.execute(asked)).scalar_one()
    return counted
