"""Sample journals of partly run jobs, written with the calls that a run makes."""

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
class RowSpec:
    """A sample row, its plan and its ending; None for steps that it does not reach."""

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


def done(name: str, **given: Any) -> RowSpec:
    """Done by this job."""
    parts: dict[str, Any] = {"seconds": 2.5, "settled_by": "sweep", "requests": 1, **given}
    return RowSpec(
        name=name, ending=Ending(state=State.DONE, status="active", confirmed=True, **parts)
    )


def failed(name: str, error: Exception, state: State = State.FAILED, **given: Any) -> RowSpec:
    """Ended off target, with an error."""
    ending = Ending(state=state, error=error, requests=1, seconds=1.0)
    return RowSpec(name=name, ending=ending, **given)


def planned(name: str, verdict: Verdict, state: State, **given: Any) -> RowSpec:
    """Planned and never sent."""
    return RowSpec(name=name, verdict=verdict, planned=state, sent=False, **given)


NO_FLEET = errors.BadRequest(400, 83007, "no Fleet", asked="POST /v1/Sims/HS1")
LATE = errors.TransitionTimeout(
    sid(3), {"status": "active"}, Sim(sid=sid(3), status="scheduled"), 9
)
LOST = errors.OutcomeUnknown("POST /v1/SmsCommands", "look at sms_commands.list(sim='HS1')")
CUT = errors.ConnectionFailed("GET /v1/Sims/HS1", "connection reset")


async def fill(
    journal: Journal,
    specs: Sequence[RowSpec],
    *,
    head: Head = HEAD,
    header: tuple[str, ...] | None = None,
) -> None:
    """Write the rows up to the last step of their specs."""
    await journal.begin_job(head)
    await journal.add_rows([_row(number, spec) for number, spec in enumerate(specs, 1)])
    await journal.complete_input(header=header, applied=(), digest="0", notes=())
    await journal.begin_run()
    await journal.begin_plan(OPEN)
    await journal.record_plan([p for n, spec in enumerate(specs, 1) if (p := _planned(n, spec))])
    for number, spec in enumerate(specs, 1):
        await _send(journal, number, spec)
    await journal.flush()


def _row(number: int, spec: RowSpec) -> Row:
    return Row(
        number=number,
        line=number + 1,
        name=spec.name,
        naming=spec.naming,
        cells=spec.cells,
        change=spec.change,
    )


def _planned(number: int, spec: RowSpec) -> Planned | None:
    if spec.verdict is None:
        return None
    known = spec.verdict is not Verdict.UNKNOWN
    return Planned(
        number=number,
        verdict=spec.verdict,
        state=spec.planned,
        sid=sid(number) if known else None,
        before=spec.before if known else None,
    )


async def _send(journal: Journal, number: int, spec: RowSpec) -> None:
    if not spec.sent or spec.verdict is None:
        return
    await journal.record_intent(number)
    if spec.reference is not None:
        await journal.record_accepted(number, reference=spec.reference)
    if spec.ending is not None:
        await journal.record_ending(number, spec.ending)


def target(folder: Path) -> str:
    """Path of the test's journal."""
    return str(folder / "job.db")
