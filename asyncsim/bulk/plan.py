"""The plan of a job: one list scan finds all SIMs, and a verdict says what each row needs.

The same rules plan a new job and reconcile it after a crash: a change that an earlier run sent,
perhaps without a response, is judged by the SIM's current state.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from attrs import evolve, field, frozen

from asyncsim.bulk.actions import Action, is_irreversible
from asyncsim.bulk.input.source import Problems, format_lines
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, OPEN, Entry, Planned, State, Verdict
from asyncsim.bulk.tasks import JobTask, StopSignal
from asyncsim.core.billing import becomes_billable, becomes_billable_later
from asyncsim.core.goal import Goal, GoalStatus, can_reach, is_terminal
from asyncsim.errors import DecodeError, JobError, NotFound
from asyncsim.events import JobPlanned, JobProgressed, Observer, RowMoved, notify
from asyncsim.resources.pages import Page
from asyncsim.wire.pages import BadRecord

_FEW = 10  # rows that are fetched one by one; scanning the list takes a request per page
_CONCURRENT_FETCHES = 100  # the client's concurrency limit prevents throttling
_CHUNK = 1000  # rows judged at once if nothing has to be fetched
_SAMPLES = 5
_ENDED = frozenset({State.ALREADY, State.DONE, State.IMPOSSIBLE, State.UNKNOWN})


@frozen(kw_only=True)
class Plan:
    """The result of planning."""

    rows: int
    """Rows that were planned: all unfinished ones."""
    verdicts: Mapping[Verdict, int]
    samples: Mapping[Verdict, tuple[Entry, ...]] = field(repr=False)
    """Up to five rows of each verdict."""
    irreversible: int
    """Rows whose change is irreversible and has not been confirmed yet."""
    requests: int
    """Requests sent for planning."""
    notes: tuple[str, ...] = ()
    """Warnings about the input, which do not stop the job."""
    billable: int = 0
    """Rows whose SIM becomes `active`, which starts a monthly fee; not those confirmed before."""
    billable_later: int = 0
    """Rows whose change leads to a monthly fee without another request: `ready` becomes `active`
    after 250 KB, five Commands or three months, `suspended` has a fee after three months."""
    to_confirm: int = 0
    """Rows to confirm: irreversible ones, and billable ones if they are more than
    `confirm_above`."""

    def asking(self, confirm_above: int | None, limit: int | None) -> Plan:
        """Return this plan with the number of rows to confirm."""
        count = self.irreversible
        if confirm_above is not None and min(self.billable, limit or self.billable) > confirm_above:
            count += self.billable
        return evolve(self, to_confirm=count)


@frozen(kw_only=True)
class Unreadable:
    """A SIM whose record cannot be decoded, with those of its names that can."""

    sid: str | None
    iccid: str | None = None
    unique_name: str | None = None
    error: DecodeError

    @classmethod
    def of_row(cls, bad: BadRecord) -> Unreadable:
        """Read the SIM's names from a row of a list."""
        raw = bad.raw if isinstance(bad.raw, dict) else {}
        # KORE's example shows an ICCID as a number, so one may arrive as a number. True is an int,
        # too.
        names = {key: raw.get(key) for key in ("sid", "iccid", "unique_name")}
        readable = {key: str(name) for key, name in names.items() if type(name) in (str, int)}
        return cls(**{"sid": None, **readable}, error=bad.error)


# Judging. Pure: what a row needs, from the state that earlier runs left and the SIM's record.


def judge(action: Action, entry: Entry, sim: Any, goal: Goal) -> Planned:
    """Judge a row; `sim` is the record of its SIM, an `Unreadable`, or None without one."""
    if entry.state is State.FAILED:
        # Its retry starts over: the change accepted earlier has failed.
        entry = evolve(entry, accepted_at=None, reference=None)
    note = None
    if sim is None:
        verdict, state = _judge_absent(action, entry, goal)
    elif isinstance(sim, Unreadable):
        verdict, state = _judge_unreadable(action, entry, sim)
        note = str(sim.error) if verdict is Verdict.UNREADABLE else None
    elif action is Action.UPDATE:
        verdict, state = _judge_update(entry, sim, goal)
    elif action is Action.SEND:
        verdict, state = _judge_send(entry)
    elif action is Action.REGISTER:
        verdict, state = Verdict.ALREADY, _reached(entry)
    else:
        verdict, state = Verdict.CHANGE, State.READY
    if entry.state is State.FAILED and verdict is not Verdict.ALREADY:
        # It keeps state and error until its retry is sent, which may not be in this run.
        state = State.FAILED
    elif verdict in HOPELESS:
        state = State.IMPOSSIBLE
    return Planned(
        number=entry.number,
        verdict=verdict,
        state=state,
        sid=entry.sid if sim is None else sim.sid or entry.sid,
        before=getattr(sim, "status", None),
        note=note,
    )


def _judge_update(entry: Entry, sim: Any, goal: Goal) -> tuple[Verdict, State]:
    in_doubt = entry.state in IN_DOUBT
    standing = goal.evaluate(sim)
    resetting = goal.resets_connectivity and sim.reset_status == "resetting"
    if goal.resets_connectivity and not resetting and entry.accepted_at is not None:
        # `reset_status` reads null once the provider has accepted the reset (KORE docs,
        # "Wireless Sim Resource"), so no final status ever shows that it was carried out.
        return Verdict.ALREADY, State.DONE
    if standing is GoalStatus.PENDING:
        # Ours if we may have sent it, else another client's: waiting shows which. Of a reset, only
        # its end can be seen, so a pending change counts as our reset only while one is shown.
        ours = in_doubt and (resetting or not goal.resets_connectivity)
        return Verdict.BUSY, State.ACCEPTED if ours else State.READY
    if standing is GoalStatus.REACHED and goal.expected:
        return Verdict.ALREADY, _reached(entry)
    if is_terminal(goal.kind, sim.status):
        return Verdict.TERMINAL, State.IMPOSSIBLE
    if not can_reach(goal.kind, sim.status, goal.targets):
        return Verdict.ILLEGAL, State.IMPOSSIBLE
    # A list page may be a stale copy: an accepted change is fetched once before it is resent.
    accepted = entry.state is State.ACCEPTED and entry.accepted_at is not None
    return Verdict.CHANGE, State.ACCEPTED if accepted else State.READY


def _judge_send(entry: Entry) -> tuple[Verdict, State]:
    """Never resend what may have been sent: a device would act on a text twice."""
    if entry.reference is not None:
        return Verdict.BUSY, State.ACCEPTED
    if entry.state is State.SENDING:
        return Verdict.BUSY, State.UNKNOWN
    return Verdict.CHANGE, State.READY


def _judge_absent(action: Action, entry: Entry, goal: Goal) -> tuple[Verdict, State]:
    # A text in no state of IN_DOUBT was certainly not sent by earlier runs.
    in_doubt = entry.state in IN_DOUBT or (entry.sent and action is not Action.SEND)
    if action is Action.REGISTER:
        return Verdict.CHANGE, State.READY  # a second one is rejected with 83003: already yours
    if action is Action.DELETE and in_doubt:
        return Verdict.ALREADY, State.DONE
    if action is Action.SEND and in_doubt:
        return _judge_send(entry)
    if goal.changes_account and (in_doubt or entry.sid is not None):
        # It was found before, so it may be in the target account already, where these credentials
        # cannot read it. Requesting the move again is harmless, and the response shows where it is.
        return Verdict.CHANGE, State.READY
    if in_doubt:
        return _wait_for_unseen(entry)
    return Verdict.UNKNOWN, State.IMPOSSIBLE


def _judge_unreadable(action: Action, entry: Entry, sim: Unreadable) -> tuple[Verdict, State]:
    """Continue a row if its SIM's status need not be known."""
    has_sid = sim.sid is not None or entry.sid is not None
    if entry.state in IN_DOUBT and action is not Action.SEND:
        return _wait_for_unseen(entry)  # IMPOSSIBLE would say that nothing was sent
    if action is Action.SEND and has_sid:
        return _judge_send(entry)
    if action is Action.REGISTER:
        return Verdict.ALREADY, _reached(entry)
    if action is Action.DELETE and has_sid:
        return Verdict.CHANGE, State.READY
    return Verdict.UNREADABLE, State.IMPOSSIBLE


def _wait_for_unseen(entry: Entry) -> tuple[Verdict, State]:
    """Wait for a change that was sent and whose outcome the vendor does not show."""
    waiting = entry.state in (State.ACCEPTED, State.TIMED_OUT)
    return Verdict.BUSY, State.ACCEPTED if waiting else entry.state


def _reached(entry: Entry) -> State:
    """A row at its goal: DONE by this job if that may have sent anything, else ALREADY."""
    return State.DONE if entry.sent or entry.state in IN_DOUBT else State.ALREADY


# Finding the SIMs.


class Planner:
    """Finds the SIMs of all rows in some states, judges the rows and records the verdicts."""

    def __init__(
        self,
        task: JobTask,
        journal: Journal,
        observers: Sequence[Observer],
        stop: StopSignal,
        *,
        phase: str = "planning",
    ) -> None:
        self._task = task
        self._journal = journal
        self._observers = observers
        self._stop = stop
        self._phase = phase
        self._total = self._left = self._pages = 0
        self._requests_before: int | None = None
        self._verdicts: Counter[Verdict] = Counter()
        self._samples: dict[Verdict, list[Entry]] = {}
        self._irreversible = self._billable = self._billable_later = 0
        self._has_nameless = False
        """Whether the list has a SIM whose names are unreadable: it may belong to any row."""
        self._missing: dict[str, list[int]] = {}
        """Fleets and RatePlans that do not exist -> lines of the rows that name them."""
        self._contradictions = Problems()
        """Rows whose SID and ICCID belong to different SIMs."""

    async def plan(self, states: Collection[State] = OPEN) -> Plan:
        """Plan all rows in these states; JobError if a Fleet or RatePlan does not exist.

        Called again after a transient error, it continues with the rows not judged yet.
        """
        if self._requests_before is None:
            self._total = self._left = await self._journal.begin_plan(states)
            self._requests_before = self._task.context.requests
        self._pages = 0
        if self._left > _FEW:
            await self._scan_list()
        await self._plan_remaining()
        if self._contradictions:
            why = "rows name two different SIMs, by SID and by ICCID; keep the right one of each"
            raise JobError(why, list(self._contradictions))
        if self._missing:
            lines = [f"{what}; {format_lines(rows)}" for what, rows in self._missing.items()]
            raise JobError("the job refers to resources that do not exist", lines)
        plan = Plan(
            rows=self._total,
            verdicts=dict(self._verdicts),
            samples={verdict: tuple(some) for verdict, some in self._samples.items()},
            irreversible=self._irreversible,
            requests=self._task.context.requests - self._requests_before,
            notes=tuple(self._journal.notes),
            billable=self._billable,
            billable_later=self._billable_later,
        )
        verdicts = {verdict.value: count for verdict, count in plan.verdicts.items()}
        planned = JobPlanned(
            vendor=self._task.context.vendor.name,
            product=self._task.product,
            rows=plan.rows,
            verdicts=verdicts,
            requests=plan.requests,
            billable=plan.billable,
        )
        notify(self._observers, planned)
        return plan

    @property
    def _few_left(self) -> bool:
        """Whether fetching the rest costs no more requests than the pages scanned so far."""
        return self._left <= max(self._pages, _FEW)

    async def _scan_list(self) -> None:
        """Scan the account's SIMs, a request per page, until few rows are left."""
        sims = self._task.sims
        page_size = sims.kind.max_page_size(self._task.context.vendor)
        async with aclosing(sims.list(page_size=page_size).pages()) as pages:
            async for page in pages:
                self._pages += 1
                await self._plan_page(page)
                if self._few_left:
                    return

    async def _plan_page(self, page: Page[Any]) -> None:
        unreadable = [Unreadable.of_row(bad) for bad in page.bad]
        self._has_nameless |= any(
            not (sim.sid or sim.iccid or sim.unique_name) for sim in unreadable
        )
        by_name: dict[str, dict[str, Any]] = {"sid": {}, "iccid": {}, "unique_name": {}}
        for sim in [*page.items, *unreadable]:
            for naming, sims in by_name.items():
                if name := getattr(sim, naming):
                    sims[name] = sim
        found = []
        for entry in await self._journal.match_unplanned(set().union(*by_name.values())):
            # Matched by the kind of name in the row: a unique name may look like an ICCID.
            naming, name = ("sid", entry.sid) if entry.sid else (entry.naming, entry.name)
            if sim := by_name[naming].get(name):
                found.append((entry, sim))
        await self._plan_rows(found)

    async def _plan_remaining(self) -> None:
        """Fetch the remaining rows if they are few; if many, a complete scan did not have them."""
        # Registering reveals as much as a fetch would, in one request.
        fetching = self._task.action is not Action.REGISTER and (
            self._few_left or self._has_nameless
        )
        async for entries in self._journal.unplanned(_CONCURRENT_FETCHES if fetching else _CHUNK):
            sims: Sequence[Any] = [None] * len(entries)
            if fetching:
                # All of them end before an error is raised, so that none continues in the
                # background.
                sims = await asyncio.gather(*map(self._fetch, entries), return_exceptions=True)
                for sim in sims:
                    if isinstance(sim, BaseException):
                        raise sim
            await self._plan_rows(list(zip(entries, sims, strict=True)))

    async def _fetch(self, entry: Entry) -> Any:
        sims = self._task.sims
        if entry.sid is None and entry.naming == "iccid":
            # An ICCID cannot be used in a path; as a filter it yields 0 or 1 row, never a 404.
            page = await sims.list(iccid=entry.name)
            return next(iter([*page.items, *map(Unreadable.of_row, page.bad)]), None)
        try:
            return await sims.fetch(entry.sid or entry.name)
        except NotFound:
            return None
        except DecodeError as error:
            if error.sid is None:  # a gateway's page: a later attempt may succeed
                raise
            return Unreadable(sid=error.sid, error=error)

    async def _plan_rows(self, rows: Sequence[tuple[Entry, Any]]) -> None:
        """Judge rows by their SIMs, and record the verdicts."""
        planned = []
        for entry, sim in rows:
            try:
                goal = await self._task.goal_of(entry)
            except NotFound as error:
                missing = f"{error.asked}: {error.message}"
                self._missing.setdefault(missing, []).append(entry.line)
                goal = Goal(self._task.sims.kind)  # any: `plan` raises JobError in the end
            shown = getattr(sim, "iccid", None)
            if entry.iccid and shown and shown != entry.iccid:
                text = f"{sim.sid} is the SIM with ICCID {shown}, not {entry.iccid}"
                self._contradictions.add(text, entry.line)
            planned.append(judge(self._task.action, entry, sim, goal))
        self._stop.raise_if_stopped()
        await self._journal.record_plan(planned)
        self._left -= len(planned)
        done = self._total - self._left
        progress = JobProgressed(
            vendor=self._task.context.vendor.name,
            product=self._task.product,
            phase=self._phase,
            done=done,
            total=self._total,
        )
        notify(self._observers, progress)
        for (entry, _), verdict in zip(rows, planned, strict=True):
            self._count(entry, verdict)

    def _count(self, entry: Entry, planned: Planned) -> None:
        task = self._task
        self._verdicts[planned.verdict] += 1
        samples = self._samples.setdefault(planned.verdict, [])
        if len(samples) < _SAMPLES:
            samples.append(evolve(entry, sid=planned.sid, before=planned.before))
        ended = planned.state in _ENDED
        if not (ended or planned.verdict in HOPELESS or entry.approved):
            change = task.change_of(entry)
            self._irreversible += is_irreversible(task.product, task.action, change)
            if task.action is Action.UPDATE:
                statuses = (task.product, planned.before, change.get("status"))
                self._billable += becomes_billable(*statuses)
                self._billable_later += becomes_billable_later(*statuses)
        # A change known only by a callback was reported as done when the callback arrived.
        reported = entry.state is State.ACCEPTED and self._phase == "verifying"
        if ended and not (reported and planned.state is State.DONE):
            moved = RowMoved(
                vendor=task.context.vendor.name,
                product=task.product,
                row=entry.number,
                name=entry.name,
                sid=planned.sid,
                state=planned.state.value,
                status=planned.before,
                message=planned.verdict.value if planned.state is State.IMPOSSIBLE else None,
            )
            notify(self._observers, moved)
