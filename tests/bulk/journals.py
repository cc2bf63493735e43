"""Journals of jobs that have gone some way, filled as a run fills them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from asyncsim import errors
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import OPEN, Ending, Head, Naming, Planned, Row, State, Verdict
from asyncsim.models.supersim.sims import Sim

HEAD = Head(
    product="supersim",
    action="update",
    change={"status": "active"},
    vendor="twilio",
    account="3f9a",
    label="batch.csv",
)
SENDING = Head(
    product="supersim",
    action="send",
    change={"payload": "report"},
    vendor="twilio",
    account="3f9a",
    label="batch.csv",
)


@frozen(kw_only=True)
class Fate:
    """A row, and what becomes of it: as far as it goes, None where it goes no further."""

    name: str
    naming: Naming = "iccid"
    cells: tuple[str, ...] | None = None
    change: dict[str, Any] | None = None
    verdict: Verdict | None = Verdict.CHANGE
    planned: State = State.READY
    before: str | None = "inactive"
    sent: bool = True
    reference: str | None = None
    ending: Ending | None = field(default=None)


def sid(number: int) -> str:
    """SID of the n-th SIM."""
    return f"HS{number:032x}"


def done(name: str, **given: Any) -> Fate:
    """At its goal by this job."""
    parts: dict[str, Any] = {"seconds": 2.5, "settled_by": "sweep", "requests": 1, **given}
    return Fate(
        name=name, ending=Ending(state=State.DONE, status="active", confirmed=True, **parts)
    )


def failed(name: str, error: Exception, state: State = State.FAILED, **given: Any) -> Fate:
    """Left somewhere else, with an error."""
    ending = Ending(state=state, error=error, requests=1, seconds=1.0)
    return Fate(name=name, ending=ending, **given)


def planned(name: str, verdict: Verdict, state: State, **given: Any) -> Fate:
    """Never sent."""
    return Fate(name=name, verdict=verdict, planned=state, sent=False, **given)


NO_FLEET = errors.BadRequest(400, 83007, "no Fleet", asked="POST /v1/Sims/HS1")
LATE = errors.TransitionTimeout(
    sid(3), {"status": "active"}, Sim(sid=sid(3), status="scheduled"), 9
)
LOST = errors.OutcomeUnknown("POST /v1/SmsCommands", "look at sms_commands.list(sim='HS1')")
CUT = errors.ConnectionFailed("GET /v1/Sims/HS1", "connection reset")


async def fill(
    journal: Journal,
    fates: Sequence[Fate],
    *,
    head: Head = HEAD,
    header: tuple[str, ...] | None = None,
) -> None:
    """Bring the rows as far as their fates go."""
    await journal.begin_job(head)
    await journal.add_rows([_row(number, fate) for number, fate in enumerate(fates, 1)])
    await journal.complete_input(header=header, applied=(), digest="0", notes=())
    await journal.begin_run()
    await journal.begin_plan(OPEN)
    await journal.record_plan([p for n, fate in enumerate(fates, 1) if (p := _planned(n, fate))])
    for number, fate in enumerate(fates, 1):
        await _send(journal, number, fate)
    await journal.flush()


def _row(number: int, fate: Fate) -> Row:
    return Row(
        number=number,
        line=number + 1,
        name=fate.name,
        naming=fate.naming,
        cells=fate.cells,
        change=fate.change,
    )


def _planned(number: int, fate: Fate) -> Planned | None:
    if fate.verdict is None:
        return None
    known = fate.verdict is not Verdict.UNKNOWN
    return Planned(
        number=number,
        verdict=fate.verdict,
        state=fate.planned,
        sid=sid(number) if known else None,
        before=fate.before if known else None,
    )


async def _send(journal: Journal, number: int, fate: Fate) -> None:
    if not fate.sent or fate.verdict is None:
        return
    await journal.record_intent(number)
    if fate.reference is not None:
        await journal.record_accepted(number, reference=fate.reference)
    if fate.ending is not None:
        await journal.record_ending(number, fate.ending)


def target(folder: Path) -> str:
    """Where the journal of a test lies."""
    return str(folder / "job.db")
