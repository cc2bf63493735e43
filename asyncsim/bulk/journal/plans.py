"""Planning passes: the rows that a pass still has to judge, and its verdicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

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

from asyncsim.bulk.journal.queries import ENTRY, PARAMETERS, in_states
from asyncsim.bulk.journal.schema import job, rows
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, UNFINISHED, Entry, Planned, State


@frozen
class PlanningPass:
    """One pass over the rows in some states; its number marks those that it has judged."""

    number: int
    states: frozenset[State]

    @property
    def unplanned(self) -> ColumnElement[bool]:
        """Rows not judged yet."""
        return in_states(self.states) & (rows.c.look < self.number)


async def begin_pass(connection: AsyncConnection, states: Collection[State]) -> PlanningPass:
    """Start another pass over all rows now in these states."""
    number = (await connection.execute(select(job.c.looks))).scalar_one() + 1
    await connection.execute(update(job).values(looks=number))
    return PlanningPass(number, frozenset(states))


async def match(
    connection: AsyncConnection, planning: PlanningPass, names: Collection[str]
) -> list[Entry]:
    """Return the unplanned rows whose name or SID is among these."""
    wanted = list(dict.fromkeys(names))  # a page of the vendor's list has three names for each SIM
    found: dict[int, Entry] = {}
    for start in range(0, len(wanted), PARAMETERS):
        some = wanted[start : start + PARAMETERS]
        matching = or_(rows.c.name.in_(some), rows.c.sid.in_(some))
        result = await connection.execute(select(*ENTRY).where(matching, planning.unplanned))
        found |= {row["number"]: Entry(**row) for row in result.mappings()}
    return [found[number] for number in sorted(found)]


# One by one: a statement that is executed for many rows cannot contain a list of values.
_never_sent = or_(*(rows.c.state == one for one in (State.READ, State.READY, State.IMPOSSIBLE)))
_in_doubt = or_(*(rows.c.state == one for one in sorted(IN_DOUBT)))
_seen = bindparam("new_before", type_=Text)
_verdict = bindparam("new_verdict", type_=rows.c.verdict.type)
_is_done = bindparam("is_done", type_=Boolean)
_stays_failed = bindparam("stays_failed", type_=Boolean)
_PLAN = (
    update(rows)
    .where(rows.c.number == bindparam("row", type_=Integer))
    .values(
        look=bindparam("this_look", type_=Integer),
        # For a done row, the first verdict says more than "already there".
        verdict=case((_is_done, func.coalesce(rows.c.verdict, _verdict)), else_=_verdict),
        state=bindparam("new_state", type_=rows.c.state.type),
        sid=func.coalesce(bindparam("new_sid", type_=Text), rows.c.sid),
        # Once something was sent, the current status is no longer the one before the change.
        before=case(
            (_never_sent, func.coalesce(_seen, rows.c.before)),
            else_=func.coalesce(rows.c.before, _seen),
        ),
        status=func.coalesce(_seen, rows.c.status),
        # The list shows it as done: that counts as a read.
        confirmed=case((_stays_failed, rows.c.confirmed), else_=_is_done),
        settled_by=case(
            (_stays_failed, rows.c.settled_by),
            (_is_done, func.coalesce(rows.c.settled_by, "sweep")),
            else_=null(),
        ),
        # An error of an earlier run is outdated; but a failed row keeps
        # its error until its retry is sent.
        error_type=case((_stays_failed, rows.c.error_type), else_=null()),
        error=case((_stays_failed, rows.c.error), else_=bindparam("new_error", type_=Text)),
        error_parts=case((_stays_failed, rows.c.error_parts), else_=null()),
        ended_at=case(
            (_stays_failed, rows.c.ended_at),
            else_=bindparam("now", type_=rows.c.ended_at.type),
        ),
        # A request may still be in flight when a pass does not see its effect.
        sent=or_(rows.c.sent, _in_doubt),
        retry=bindparam("is_tried_again", type_=Boolean),
    )
)


async def record_plan(
    connection: AsyncConnection, planning: PlanningPass, planned: Sequence[Planned], now: datetime
) -> None:
    """Write the pass's verdicts on these rows."""
    values = [
        {
            "row": one.number,
            "this_look": planning.number,
            "new_verdict": one.verdict,
            "new_state": one.state,
            "is_done": one.state is State.DONE,
            "new_sid": one.sid,
            "new_before": one.before,
            "new_error": one.note if one.state is State.IMPOSSIBLE else None,
            "stays_failed": one.state is State.FAILED,
            "is_tried_again": one.state is State.FAILED and one.verdict not in HOPELESS,
            "now": None if one.state in UNFINISHED else now,
        }
        for one in planned
    ]
    if values:
        await connection.execute(_PLAN, values)
