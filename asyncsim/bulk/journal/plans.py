"""Planning passes: the rows that a pass still has to judge, and its verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Text,
    and_,
    case,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.queries import ENTRY, PARAMETERS, in_states
from asyncsim.bulk.journal.row_updates import RowUpdate, Value
from asyncsim.bulk.journal.schema import jobs, rows, storable
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, UNFINISHED, Entry, Planned, State


@frozen
class PlanningPass:
    """One pass over the rows in some states; its number marks those that it has judged."""

    number: int
    states: frozenset[State]
    scope: Scope

    @property
    def unplanned(self) -> ColumnElement[bool]:
        """Rows not judged yet."""
        return and_(self.scope.rows, in_states(self.states), rows.c.look < self.number)


async def begin_pass(
    connection: AsyncConnection, states: Collection[State], scope: Scope
) -> PlanningPass:
    """Start another pass over all rows now in these states."""
    this = jobs.c.id == scope.job
    # Counted by the database: two chunks of a job may begin a pass at the same time. A number that
    # was read before would set the count back, and rows would look as if they were judged already.
    await connection.execute(update(jobs).where(this).values(looks=jobs.c.looks + 1))
    number = (await connection.execute(select(jobs.c.looks).where(this))).scalar_one()
    return PlanningPass(number, frozenset(states), scope)


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


def _planned(given: Value) -> Mapping[str, Any]:
    verdict, seen = given("new_verdict"), given("new_before")
    is_done, stays_failed = given("is_done"), given("stays_failed")
    return {
        "look": given("this_look"),
        # For a done row, the first verdict says more than "already there".
        "verdict": case((is_done, func.coalesce(rows.c.verdict, verdict)), else_=verdict),
        "state": given("new_state"),
        "sid": func.coalesce(given("new_sid"), rows.c.sid),
        # Once something was sent, the current status is no longer the one before the change.
        "before": case(
            (_never_sent, func.coalesce(seen, rows.c.before)),
            else_=func.coalesce(rows.c.before, seen),
        ),
        "status": func.coalesce(seen, rows.c.status),
        # The list shows it as done: that counts as a read.
        "confirmed": case((stays_failed, rows.c.confirmed), else_=is_done),
        "settled_by": case(
            (stays_failed, rows.c.settled_by),
            (is_done, func.coalesce(rows.c.settled_by, "sweep")),
            else_=null(),
        ),
        # An error of an earlier run is outdated; but a failed row keeps
        # its error until its retry is sent.
        "error_type": case((stays_failed, rows.c.error_type), else_=null()),
        "error": case((stays_failed, rows.c.error), else_=given("new_error")),
        "error_parts": case((stays_failed, rows.c.error_parts), else_=null()),
        "ended_at": case((stays_failed, rows.c.ended_at), else_=given("now")),
        # A request may still be in flight when a pass does not see its effect.
        "sent": or_(rows.c.sent, _in_doubt),
        "retry": given("is_tried_again"),
    }


_PLAN = RowUpdate(
    {
        "this_look": Integer(),
        "new_verdict": rows.c.verdict.type,
        "new_state": rows.c.state.type,
        "is_done": Boolean(),
        "new_sid": Text(),
        "new_before": Text(),
        "new_error": Text(),
        "stays_failed": Boolean(),
        "is_tried_again": Boolean(),
        "now": rows.c.ended_at.type,
    },
    _planned,
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
            "new_before": one.before and storable(one.before),
            "new_error": storable(one.note) if one.note and one.state is State.IMPOSSIBLE else None,
            "stays_failed": one.state is State.FAILED,
            "is_tried_again": one.state is State.FAILED and one.verdict not in HOPELESS,
            "now": None if one.state in UNFINISHED else now,
        }
        for one in planned
    ]
    if values:
        await _PLAN.execute(connection, planning.scope.job, values)
