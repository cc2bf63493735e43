"""The look before anything is sent: one walk of the list finds all SIMs and judges all rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from attrs import evolve, field, frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.input.source import Problems, format_lines
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, OPEN, Entry, Planned, State, Verdict
from asyncsim.bulk.tasks import JobTask, StopSignal
from asyncsim.core.goal import Goal, GoalStatus, can_reach, is_terminal
from asyncsim.errors import DecodeError, JobError, NotFound
from asyncsim.events import JobPlanned, JobProgressed, Observer, RowMoved, notify
from asyncsim.resources.pages import Page
from asyncsim.wire.pages import BadRecord


@frozen(kw_only=True)
class Unreadable:
    """A SIM whose record cannot be read, and what can be read of its names."""

    sid: str | None
    iccid: str | None = None
    unique_name: str | None = None
    error: DecodeError


def judge_unreadable(action: Action, entry: Entry, sim: Unreadable) -> Planned:
    """Judge a row whose SIM cannot be read: it goes on where its state need not be known."""
    entry = _anew(entry)
    sid = sim.sid or entry.sid
    verdict, state = Verdict.UNREADABLE, State.IMPOSSIBLE
    if entry.state in IN_DOUBT and action is not Action.SEND:
        verdict, state = _judge_unseen(entry)  # never impossible
    elif action is Action.SEND and sid is not None:
        verdict, state = _judge_sending(entry)
    elif action is Action.REGISTER:
        verdict, state = Verdict.ALREADY, _arrived(entry)
    elif action is Action.DELETE and sid is not None:
        verdict, state = Verdict.CHANGE, State.READY
    hopeless = verdict is Verdict.UNREADABLE
    note = str(sim.error) if hopeless else None
    state = _planned(entry, verdict, state)
    return Planned(number=entry.number, verdict=verdict, state=state, sid=sid, note=note)


def judge(action: Action, entry: Entry, sim: Any, goal: Goal) -> Planned:
    """Judge a row whose SIM the account has."""
    entry = _anew(entry)
    if action is Action.UPDATE:
        verdict, state = _judge_update(entry, sim, goal)
    elif action is Action.SEND:
        verdict, state = _judge_sending(entry)
    elif action is Action.REGISTER:
        verdict, state = Verdict.ALREADY, _arrived(entry)
    else:
        verdict, state = Verdict.CHANGE, State.READY
    return Planned(
        number=entry.number,
        verdict=verdict,
        state=_planned(entry, verdict, state),
        sid=sim.sid,
        before=sim.status,
    )


def judge_absent(action: Action, entry: Entry, goal: Goal) -> Planned:
    """Judge a row whose SIM the account does not have."""
    # Of a text that is not in doubt it is known that it was not sent.
    doubtful = entry.state in IN_DOUBT or (entry.sent and action is not Action.SEND)
    if action is Action.REGISTER:
        verdict, state = Verdict.CHANGE, State.READY  # registering twice does no harm
    elif action is Action.DELETE and doubtful:
        verdict, state = Verdict.ALREADY, State.DONE
    elif action is Action.SEND and doubtful:
        verdict, state = _judge_sending(entry)
    elif goal.changes_account and (doubtful or entry.sid is not None):
        # Sent, or seen here once, it may be in the other account; to ask again is harmless, and
        # tells.
        verdict, state = Verdict.CHANGE, State.READY
    elif doubtful:
        verdict, state = _judge_unseen(entry)
    else:
        verdict, state = Verdict.UNKNOWN, State.IMPOSSIBLE
    state = _planned(entry, verdict, state)
    return Planned(number=entry.number, verdict=verdict, state=state, sid=entry.sid)


def _judge_unseen(entry: Entry) -> tuple[Verdict, State]:
    """Something was sent, and what became of it is not seen: it is waited for, whatever it is."""
    waits = entry.state in (State.ACCEPTED, State.TIMED_OUT)
    return Verdict.BUSY, State.ACCEPTED if waits else entry.state


def _anew(entry: Entry) -> Entry:
    """Forget of a failed row what was accepted then: its retry begins anew."""
    if entry.state is State.FAILED:
        return evolve(entry, accepted_at=None, reference=None)
    return entry


def _planned(entry: Entry, verdict: Verdict, state: State) -> State:
    """Where a look leaves a row; one that has failed stays so until its retry is sent."""
    if entry.state is State.FAILED and verdict is not Verdict.ALREADY:
        return State.FAILED
    return State.IMPOSSIBLE if verdict in HOPELESS else state


def _arrived(entry: Entry) -> State:
    """It is there: by this job, if that had sent anything."""
    return State.DONE if entry.sent or entry.state in IN_DOUBT else State.ALREADY


def _judge_update(entry: Entry, sim: Any, goal: Goal) -> tuple[Verdict, State]:
    doubtful = entry.state in IN_DOUBT
    goal_status = goal.evaluate(sim)
    resetting = goal.resets_connectivity and sim.reset_status == "resetting"
    if goal.resets_connectivity and not resetting and entry.accepted_at is not None:
        return Verdict.ALREADY, State.DONE  # a reset that was accepted and runs no more
    if goal_status is GoalStatus.PENDING:
        # An own change that was accepted, or somebody else's: the wait for it will tell. But that
        # a reset has ended is all it shows, so what runs there has to be one.
        ours = doubtful and (resetting or not goal.resets_connectivity)
        return Verdict.BUSY, State.ACCEPTED if ours else State.READY
    if goal_status is GoalStatus.REACHED and goal.expected:
        return Verdict.ALREADY, _arrived(entry)
    if is_terminal(goal.kind, sim.status):
        return Verdict.TERMINAL, State.IMPOSSIBLE
    if not can_reach(goal.kind, sim.status, goal.targets):
        return Verdict.ILLEGAL, State.IMPOSSIBLE
    # A list may be an old copy: what was accepted is read once before it is sent again.
    accepted = entry.state is State.ACCEPTED and entry.accepted_at is not None
    return Verdict.CHANGE, State.ACCEPTED if accepted else State.READY


def _judge_sending(entry: Entry) -> tuple[Verdict, State]:
    """Never send again what may have been sent: a text that arrives twice is acted upon twice."""
    if entry.reference is not None:
        return Verdict.BUSY, State.ACCEPTED
    if entry.state is State.SENDING:
        return Verdict.BUSY, State.UNKNOWN
    return Verdict.CHANGE, State.READY


_FEW = 10
"""Up to this many rows are looked up one by one; a page more may cost as much."""
_AT_ONCE = 100  # look-ups; the client's throttle holds back what the vendor would refuse
_SAMPLES = 5
_ENDED = frozenset({State.ALREADY, State.DONE, State.IMPOSSIBLE, State.UNKNOWN})


@frozen(kw_only=True)
class Plan:
    """What a look at all SIMs found."""

    rows: int
    """That were looked at: all that have not ended."""
    verdicts: Mapping[Verdict, int]
    samples: Mapping[Verdict, tuple[Entry, ...]] = field(repr=False)
    """Up to five rows of each verdict."""
    irreversible: int
    """Rows that will change in a way that can never be taken back, and are not confirmed yet."""
    requests: int
    """That the look took."""
    notes: tuple[str, ...] = ()
    """What was odd in the input, and is no reason to stop."""


class Planner:
    """Looks at all rows in some states, finds their SIMs, judges them, and writes that down."""

    def __init__(
        self,
        task: JobTask,
        journal: Journal,
        observers: Sequence[Observer],
        halt: StopSignal,
        *,
        phase: str = "planning",
    ) -> None:
        self._task = task
        self._journal = journal
        self._observers = observers
        self._halt = halt
        self._phase = phase
        self._total = self._left = self._pages = 0
        self._before: int | None = None
        """Requests that were sent before the look began."""
        self._verdicts: Counter[Verdict] = Counter()
        self._samples: dict[Verdict, list[Entry]] = {}
        self._irreversible = 0
        self._nameless = False
        """Whether the list has a row that does not even tell whose it is."""
        self._missing: dict[str, list[int]] = {}
        """What rows name and the account does not have -> their lines."""
        self._contradictions = Problems()
        """Rows whose SID and ICCID mean different SIMs."""

    async def plan(self, states: Collection[State] = OPEN) -> Plan:
        """Look at all rows in these states; JobError when what they ask for does not exist.

        Called again, after an error of the vendor's, it goes on with the same look.
        """
        context = self._task.sims.context
        if self._before is None:
            self._total = self._left = await self._journal.begin_plan(states)
            self._before = context.requests
        self._pages = 0
        if self._left > _FEW:
            await self._walk()
        await self._look_up_the_rest()
        self._refuse_what_cannot_be()
        plan = Plan(
            rows=self._total,
            verdicts=dict(self._verdicts),
            samples={verdict: tuple(some) for verdict, some in self._samples.items()},
            irreversible=self._irreversible,
            requests=context.requests - self._before,
            notes=tuple(self._journal.notes),
        )
        notify(
            self._observers,
            JobPlanned(
                rows=plan.rows,
                verdicts={verdict.value: count for verdict, count in plan.verdicts.items()},
                requests=plan.requests,
            ),
        )
        return plan

    async def _walk(self) -> None:
        pages = self._task.sims.list(page_size=self._task.page_size).pages()
        async with aclosing(pages):
            async for page in pages:
                self._pages += 1
                await self._take_page(page)
                if self._are_few:
                    return

    @property
    def _are_few(self) -> bool:
        return self._left <= max(self._pages, _FEW)

    async def _take_page(self, page: Page[Any]) -> None:
        unreadable = [_unreadable(one) for one in page.bad]
        self._nameless = self._nameless or any(
            not (one.sid or one.iccid or one.unique_name) for one in unreadable
        )
        found = _Found([*page.items, *unreadable])
        entries = await self._journal.match(found.names)
        pairs = [(entry, found.sim_of(entry)) for entry in entries]
        await self._write([await self._judge(entry, sim) for entry, sim in pairs if sim], entries)

    async def _look_up_the_rest(self) -> None:
        """Ask for a few one by one; more than that are not in a list walked to its end."""
        # That registering succeeds tells as much as a look-up would.
        lookable = self._task.action is not Action.REGISTER
        singly = lookable and (self._are_few or self._nameless)
        async for entries in self._journal.unplanned(_AT_ONCE if singly else 1000):
            sims = await self._look_up(entries) if singly else [None] * len(entries)
            pairs = zip(entries, sims, strict=True)
            await self._write([await self._judge(entry, sim) for entry, sim in pairs], entries)

    async def _look_up(self, entries: Sequence[Entry]) -> list[Any]:
        found = await asyncio.gather(*map(self._find, entries), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return found

    async def _find(self, entry: Entry) -> Any:
        sims = self._task.sims
        if entry.sid is None and entry.naming == "iccid":
            page = await sims.list(iccid=entry.name)
            return next(iter([*page.items, *map(_unreadable, page.bad)]), None)
        try:
            return await sims.fetch(entry.sid or entry.name)
        except NotFound:
            return None
        except DecodeError as error:
            if error.sid is None:  # a gateway's page: time may mend it
                raise
            return Unreadable(sid=error.sid, error=error)

    async def _judge(self, entry: Entry, sim: Any) -> Planned:
        goal = await self._goal_of(entry)
        shown = getattr(sim, "iccid", None)
        if entry.iccid and shown and shown != entry.iccid:
            text = f"{sim.sid} is the SIM with ICCID {shown}, not {entry.iccid}"
            self._contradictions.add(text, entry.line)
        if sim is None:
            return judge_absent(self._task.action, entry, goal)
        if isinstance(sim, Unreadable):
            return judge_unreadable(self._task.action, entry, sim)
        return judge(self._task.action, entry, sim, goal)

    async def _goal_of(self, entry: Entry) -> Goal:
        try:
            return await self._task.goal_of(entry)
        except NotFound as error:
            what = f"{error.asked}: {error.message}"
            self._missing.setdefault(what, []).append(entry.line)
            return Goal(self._task.sims.kind)  # of no account: the plan is refused in the end

    async def _write(self, planned: Sequence[Planned], entries: Sequence[Entry]) -> None:
        self._halt.check()
        await self._journal.plan(planned)
        self._left -= len(planned)
        done = self._total - self._left
        notify(self._observers, JobProgressed(phase=self._phase, done=done, total=self._total))
        by_number = {entry.number: entry for entry in entries}
        for one in planned:
            self._note(one, by_number[one.number])

    def _note(self, planned: Planned, entry: Entry) -> None:
        self._verdicts[planned.verdict] += 1
        changes = planned.state not in _ENDED and planned.verdict not in HOPELESS
        unasked = changes and not entry.approved
        self._irreversible += unasked and self._task.is_irreversible(entry)
        samples = self._samples.setdefault(planned.verdict, [])
        if len(samples) < _SAMPLES:
            samples.append(evolve(entry, sid=planned.sid, before=planned.before))
        known = entry.state is State.ACCEPTED and self._phase == "verifying"
        if planned.state in _ENDED and not (known and planned.state is State.DONE):
            self._tell_ended(planned, entry)  # what is only confirmed was told before

    def _tell_ended(self, planned: Planned, entry: Entry) -> None:
        message = planned.verdict.value if planned.state is State.IMPOSSIBLE else None
        moved = RowMoved(
            row=entry.number,
            name=entry.name,
            sid=planned.sid,
            state=planned.state.value,
            status=planned.before,
            message=message,
        )
        notify(self._observers, moved)

    def _refuse_what_cannot_be(self) -> None:
        if self._contradictions:
            why = "rows name two different SIMs, by SID and by ICCID; leave the right one of each"
            raise JobError(why, list(self._contradictions))
        if self._missing:
            lines = [f"{what}; {format_lines(rows)}" for what, rows in self._missing.items()]
            raise JobError("what the job asks for does not exist", lines)


class _Found:
    """The SIMs of a page, by each of their names."""

    def __init__(self, sims: Iterable[Any]) -> None:
        self._by: dict[str, dict[str, Any]] = {"sid": {}, "iccid": {}, "unique_name": {}}
        for sim in sims:
            for naming, known in self._by.items():
                if name := getattr(sim, naming):
                    known[name] = sim

    @property
    def names(self) -> set[str]:
        """All names in use on this page."""
        return set().union(*self._by.values())

    def sim_of(self, entry: Entry) -> Any:
        """The SIM that a row means, None when the name is another kind of name here."""
        if entry.sid is not None:
            return self._by["sid"].get(entry.sid)
        return self._by[entry.naming].get(entry.name)


def _unreadable(bad: BadRecord) -> Unreadable:
    raw = bad.raw if isinstance(bad.raw, dict) else {}
    sid, iccid, name = (_text(raw.get(key)) for key in ("sid", "iccid", "unique_name"))
    return Unreadable(sid=sid, iccid=iccid, unique_name=name, error=bad.error)


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
