"""Auditor: judges a world by its history of requests, SIM states and reported outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from attrs import frozen

from tests.simulation import model
from tests.simulation.gateway import NO_PROCESS, Exchange, records_shown
from tests.simulation.history import Attempt, Goal, History, StateChange
from tests.simulation.result import BROKEN
from tests.simulation.scenario import JOBS, Scenario
from tests.simulation.service import OPEN, TIMEOUT

_DEFINITE = frozenset(
    {"BadRequest", "NotFound", "Conflict", "PermissionDenied", "RateLimited", "UnreachableStatus"}
)
"""Errors that say that the request was not carried out."""
_MOMENT = 0.001
_READ, _SOON, _POLLED = 1.0, 7.0, 75.0
"""Seconds that one read may take; until a callback takes effect; and until a poll shows the change:
twice the longest pause."""


def audit(scenario: Scenario, history: History) -> list[str]:
    """Every violation in a world; none if all is well."""
    auditor = _Auditor(scenario, history)
    return [*history.errors, *_strays(history), *auditor.vendor(), *auditor.goals()]


def _strays(history: History) -> Iterator[str]:
    """Requests that no kill and no partition can stop, because no process has sent them."""
    for one in history.exchanges:
        if one.sender == NO_PROCESS:
            yield f"{BROKEN}: request #{one.number} was sent by {NO_PROCESS}"


@frozen
class _Report:
    """How a goal ended, as the client reported it."""

    time: float
    ok: bool
    error: str | None
    already: bool = False


class _Auditor:
    def __init__(self, scenario: Scenario, history: History) -> None:
        self._scenario = scenario
        self._product = scenario.product
        self._history = history
        self._has_journal = scenario.work in JOBS

    # The vendor: does it do what its documents say?

    def vendor(self) -> Iterator[str]:
        """Check every response, and every change of a SIM, against the reference model."""
        for exchange in self._history.exchanges:
            if self._changes_a_sim(exchange) and exchange.carried_out is not None:
                yield from self._response(exchange)
        for goal in {goal.sid: goal for goal in self._history.goals}.values():
            yield from self._state_changes(goal.sid)

    def _changes_a_sim(self, exchange: Exchange) -> bool:
        return exchange.method == "POST" and exchange.path.startswith("/v1/Sims/")

    def _wanted(self, exchange: Exchange) -> dict[str, Any]:
        keyword = model.OWNED[self._product][0]
        spelled = {"Status": "status", "Fleet": "fleet", "RatePlan": "rate_plan"}
        found = {spelled[key]: value for key, value in exchange.form.items() if key in spelled}
        if keyword in found:
            found[keyword] = self._history.names.get(found[keyword], found[keyword])
        return found

    def _response(self, exchange: Exchange) -> Iterator[str]:
        status, sid = exchange.carried_out, exchange.sid
        if status is None or sid is None or status == 429 or status in (401, 403) or status >= 500:
            return
        wanted = self._wanted(exchange)
        states = self._states(sid, exchange.passed_on or 0.0, exchange.responded or 0.0)
        if not any(
            model.response_matches(
                self._product,
                model.expected_response(self._product, state, wanted),
                status,
                exchange.body,
            )
            for state in states
        ):
            yield f"the vendor said {status} {exchange.body} to {wanted} of {sid} in {states}"

    def _states(self, sid: str, since: float, until: float) -> list[Mapping[str, Any]]:
        """The states of a SIM in a time."""
        first = self._history.at(sid, since - _MOMENT)
        later = [
            change.after
            for change in self._history.changes_of(sid)
            if since - _MOMENT < change.time <= until
        ]
        return [*([first] if first else []), *later]

    def _state_changes(self, sid: str) -> Iterator[str]:
        history = self._history.changes_of(sid)
        if not history:
            return  # a card that is to be registered
        origin: Mapping[str, Any] = history[0].after
        for one, following in pairwise(history):
            before, after = one.after, following.after
            if not model.is_pending(self._product, before):
                origin = before
            wanted = (
                None if sid in self._history.changed_by_others else self._asked_before(following)
            )
            if wanted is None and model.is_pending(self._product, before):
                continue
            if not model.is_valid_transition(self._product, before, after, origin, wanted):
                yield f"{sid} went from {before} to {after}, of which no document knows"

    def _asked_before(self, change: StateChange) -> Mapping[str, Any] | None:
        """The last change that was accepted before a moment."""
        found = None
        for one in self._history.exchanges:
            passed = one.passed_on is not None and one.passed_on <= change.time
            if self._changes_a_sim(one) and one.sid == change.sid and passed:
                lost = one.carried_out is None  # the vendor was killed after it
                if lost or model.is_pending(self._product, one.body or {}):
                    found = self._wanted(one)
        return found

    # The goals: was each reached once, and is every report about it true?

    def goals(self) -> Iterator[str]:
        """Check every goal."""
        for goal, following in self._with_next():
            until = (
                following.attempts[0].began if following and following.attempts else float("inf")
            )
            judged = {
                "texts": self._text,
                "creates": self._text,
                "registers": self._existence,
                "deletes": self._existence,
            }.get(self._scenario.work, partial(self._update, until=until))
            for fault in judged(goal):
                yield f"{goal.sid} {dict(goal.change)}: {fault}"

    def _with_next(self) -> Iterator[tuple[Goal, Goal | None]]:
        goals = self._history.goals
        for place, goal in enumerate(goals):
            following = goals[place + 1] if place + 1 < len(goals) else None
            yield goal, following if following and following.sid == goal.sid else None

    def _endings(self, goal: Goal) -> Iterator[tuple[Attempt, _Report]]:
        """The final report on a goal, once or for each attempt, and the attempt."""
        if self._has_journal:
            if goal.state is None or goal.state in OPEN:
                return
            times = [time for time, state in goal.reported if state == goal.state]
            reported_at = times[0] if times else self._history.ended or 0.0
            good = goal.state in ("done", "already")
            error = goal.error or (None if good else goal.state)
            yield goal.attempts[0], _Report(reported_at, good, error, goal.state == "already")
            return
        for one in goal.attempts:
            if one.ended is not None:
                yield one, _Report(one.ended, one.ok, _name(one.error))

    def _update(self, goal: Goal, until: float) -> Iterator[str]:
        if not goal.attempts:
            return
        target = dict(goal.change)
        keyword = model.OWNED[self._product][0]
        if keyword in target:
            target[keyword] = self._history.names[target[keyword]]
        if self._has_journal and goal.state is None:
            yield "lost: nobody knows what became of it"
        for one, report in self._endings(goal):
            yield from self._truth(goal, target, one, report)
            yield from self._deadline(goal, target, one, report)
        yield from self._resumed(goal, until)
        yield from self._needless(goal, target, until)
        if goal.sid not in self._history.changed_by_others:
            yield from self._repeated(goal, target, until)

    def _truth(
        self, goal: Goal, target: Mapping[str, Any], one: Attempt, report: _Report
    ) -> Iterator[str]:
        states = self._states(goal.sid, one.began, report.time)
        reached = any(model.meets(self._product, state, target) for state in states)
        began = self._begun(goal.sid, one.began, report.time)
        changed_by_others = goal.sid in self._history.changed_by_others
        if report.ok and not reached:
            yield f"called a success, but it was never there: {states}"
        if report.already and began and not changed_by_others:
            yield "called already there, and was changed by us"
        if report.ok or report.error is None or changed_by_others:
            return
        last = states[-1]
        if report.error == "TransitionFailed":
            if not began and not self._begun(goal.sid, 0.0, report.time):
                yield "called failed, and nothing had begun"
            if model.is_pending(self._product, last) or model.meets(self._product, last, target):
                yield f"called failed, while it is {last}"
        elif report.error in _DEFINITE or self._has_journal:
            # A single change does not wait for another that is in flight, but raises. The code also
            # means "not allowed", so it may be a BadRequest once the other one has ended.
            rejected = report.error in ("Conflict", "BadRequest")
            alone = self._scenario.work == "waits" and rejected
            busy = any(model.is_pending(self._product, state) for state in states)
            # A client whose tokens are voided repeatedly gets that error, before anything was done.
            voided = report.error == "PermissionDenied" and self._scenario.expiries and not began
            # A throttled change is retried until the caller's deadline, and then raises.
            late = report.time >= one.began + self._scenario.timeout
            throttled = report.error == "RateLimited" and late and not began
            if not (alone and busy) and not voided and not throttled:
                yield f"ended with {report.error}, which nothing can excuse here"

    def _begun(self, sid: str, since: float, until: float) -> list[StateChange]:
        """The beginnings of changes of a SIM."""
        return [
            change
            for change in self._history.changes_of(sid)
            if since - _MOMENT < change.time <= until
            and model.is_pending(self._product, change.after)
            and not (change.before and model.is_pending(self._product, change.before))
        ]

    def _deadline(
        self, goal: Goal, target: Mapping[str, Any], one: Attempt, report: _Report
    ) -> Iterator[str]:
        took = report.time - one.began
        most = 4 * self._scenario.timeout + TIMEOUT.queue + 200.0
        if took > most and not self._has_journal:  # a job has no deadline but the world's end
            yield f"took {took:g} s, which no deadline allows"
        if self._scenario.unhindered and goal.sid not in self._history.changed_by_others:
            yield from self._known_at_once(goal, target, one, report)

    def _known_at_once(
        self, goal: Goal, target: Mapping[str, Any], one: Attempt, report: _Report
    ) -> Iterator[str]:
        """Without faults a waiter is notified soon, by callback or by polling."""
        there = [
            change.time
            for change in self._history.changes_of(goal.sid)
            if one.began <= change.time <= report.time
            and model.meets(self._product, change.after, target)
        ]
        if not there:
            return
        late = report.time - there[0]
        if report.error == "TransitionTimeout" and late > _READ:
            yield f"timed out, though it had been there for {late:g} s"
        callbacks = self._scenario.faults
        lost = callbacks.get("lost_callbacks") or callbacks.get("late_callbacks")
        called = self._scenario.has_receiver and not lost and not self._scenario.forged_callbacks
        if report.ok and late > (_SOON if called else _POLLED):
            yield f"known {late:g} s after it was there"

    def _posts(self, goal: Goal, until: float) -> list[Exchange]:
        began = goal.attempts[0].began
        return [
            one
            for one in self._history.exchanges
            if one.method == "POST" and one.sid == goal.sid and began <= one.arrived < until
        ]

    def _resumed(self, goal: Goal, until: float) -> Iterator[str]:
        """A resumed wait sends nothing, and what it calls never sent has not begun."""
        for place, one in enumerate(goal.attempts):
            if not one.resumed:
                continue
            later = [again.began for again in goal.attempts[place:] if not again.resumed]
            for post in self._posts(goal, later[0] if later else until):
                if post.arrived > one.began + TIMEOUT.request:  # not of a process killed before
                    yield f"resumed at {one.began:.3f}, and sent at {post.arrived:.3f}"
            prepared = max(again.began for again in goal.attempts[:place] if not again.resumed)
            known = one.ended is not None and not self._scenario.gateway_faults.old
            if known and _name(one.error) == "PerhapsNeverSent":
                for change in self._begun(goal.sid, prepared, (one.ended or 0.0) - _READ):
                    yield f"called perhaps never sent, and it had begun at {change.time:.3f}"

    def _needless(self, goal: Goal, target: Mapping[str, Any], until: float) -> Iterator[str]:
        """Requests sent before a read had shown that they were needed."""
        posts = self._posts(goal, until)
        if self._has_journal:
            for post in posts:
                run = max(one.began for one in goal.attempts if one.began <= post.arrived)
                if not self._saw_need(goal, target, run, post):
                    yield f"sent at {post.arrived:.3f} without a look in that run"
        for one, following in pairwise(posts):
            rejected = one.status is not None and 400 <= one.status < 500
            tried = any(one.arrived < again.began <= following.arrived for again in goal.attempts)
            if rejected or (tried and not self._has_journal):
                continue
            if not self._saw_need(goal, target, one.arrived, following):
                yield f"sent at {one.arrived:.3f}, and again at {following.arrived:.3f}, unseen"

    def _saw_need(
        self, goal: Goal, target: Mapping[str, Any], since: float, post: Exchange
    ) -> bool:
        """Whether a response since then has shown the client that a request was needed."""
        return any(
            record.get("sid") == goal.sid
            and not model.is_pending(self._product, record)
            and not model.meets(self._product, record, target)
            for one in self._history.exchanges
            if one.method == "GET"
            and one.returned is not None
            and since <= one.returned <= post.arrived
            for record in records_shown(one)
        )

    def _repeated(self, goal: Goal, target: Mapping[str, Any], until: float) -> Iterator[str]:
        """Changes that began twice, although the first had not failed."""
        begun = self._begun(goal.sid, goal.attempts[0].began, until - 2 * _MOMENT)
        for one, following in pairwise(begun):
            between = [
                change.after
                for change in self._history.changes_of(goal.sid)
                if one.time <= change.time < following.time
            ]
            if any(model.meets(self._product, state, target) for state in between):
                yield f"changed at {one.time:.3f} and, after it was there, at {following.time:.3f}"

    # Registrations and deletions, which do no harm when they are repeated.

    def _existence(self, goal: Goal) -> Iterator[str]:
        if goal.state is None:
            yield "lost: nobody knows what became of it"
        is_there = goal.sid in self._history.existing
        for _, report in self._endings(goal):
            if not report.ok:
                yield f"ended with {report.error}, which nothing can excuse here"
            elif is_there is not (self._scenario.work == "registers"):
                yield f"called done, and it is {'still' if is_there else 'not'} there"

    # Texts: each sent once, or at most once and reported so.

    def _text(self, goal: Goal) -> Iterator[str]:
        text = next(iter(goal.change.values()))
        posts = [
            one
            for one in self._history.exchanges
            if one.method == "POST" and text in (one.form.get("Payload"), one.form.get("Command"))
        ]
        sent = [one for one in posts if one.carried_out is not None and one.carried_out < 300]
        perhaps = [one for one in posts if one.passed_on is not None and one.carried_out is None]
        if len(sent) > 1:
            yield f"sent {len(sent)} times"
        if self._has_journal and goal.state is None:
            yield "lost: nobody knows what became of it"
        for _, report in self._endings(goal):
            exists = bool(sent) or bool(perhaps)
            if report.ok and not exists:
                yield "called sent, and never was"
            elif report.error in _DEFINITE or report.error == "impossible":
                if sent or self._history.kills == []:
                    yield f"ended with {report.error}, though {len(sent)} were sent"
            elif report.error == "OutcomeUnknown" and self._is_known(posts):
                yield "called unknown, though every response was heard"

    def _is_known(self, posts: list[Exchange]) -> bool:
        """Whether no request can have been lost in flight."""
        unheard = [one for one in posts if one.status is None or one.status >= 500]
        return not (unheard or self._history.kills or self._history.disturbed)


def _name(error: Exception | None) -> str | None:
    return None if error is None else type(error).__name__
