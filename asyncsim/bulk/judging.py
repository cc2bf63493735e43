"""What a look at a SIM says of a row: is it there already, can it go, was it ours? Pure.

The same rules plan a job at first and put it together again after a crash: what an earlier run
has sent, and perhaps never heard of again, is judged by what the vendor shows now.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.records import HOPELESS, IN_DOUBT, Entry, Planned, State, Verdict
from asyncsim.core.goal import Goal, Standing
from asyncsim.core.graph import can_reach, is_terminal
from asyncsim.errors import DecodeError


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
    elif goal.moves and (doubtful or entry.sid is not None):
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
    standing = goal.judge(sim)
    resetting = goal.resets and sim.reset_status == "resetting"
    if goal.resets and not resetting and entry.accepted_at is not None:
        return Verdict.ALREADY, State.DONE  # a reset that was accepted and runs no more
    if standing is Standing.PENDING:
        # An own change that was accepted, or somebody else's: the wait for it will tell. But that
        # a reset has ended is all it shows, so what runs there has to be one.
        ours = doubtful and (resetting or not goal.resets)
        return Verdict.BUSY, State.ACCEPTED if ours else State.READY
    if standing is Standing.REACHED and goal.expected:
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
