"""Judges a whole world by its log: every request, every state a SIM was in, every word of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from attrs import frozen

from tests.simulation import model
from tests.simulation.edge import Exchange, records_shown
from tests.simulation.notebook import Move, Notebook, Try, Wish
from tests.simulation.scenario import JOBS, Scenario
from tests.simulation.service import OPEN, TIMEOUT

_DEFINITE = frozenset(
    {"BadRequest", "NotFound", "Conflict", "PermissionDenied", "RateLimited", "UnreachableStatus"}
)
"""Errors that say: it was not carried out."""
_MOMENT = 0.001
_READ, _SOON, _POLLED = 1.0, 7.0, 75.0
"""Seconds that one read may take; until a callback is heeded; and until a poll shows it, which has
the longest pause twice."""


def audit(scenario: Scenario, notebook: Notebook) -> list[str]:
    """Say all that is wrong with a world; nothing if all is well."""
    auditor = _Auditor(scenario, notebook)
    return [*notebook.complaints, *auditor.vendor(), *auditor.wishes()]


@frozen
class _Told:
    """How a wish ended, in the words of whoever was told."""

    time: float
    ok: bool
    error: str | None
    already: bool = False


class _Auditor:
    def __init__(self, scenario: Scenario, notebook: Notebook) -> None:
        self._scenario = scenario
        self._product = scenario.product
        self._notebook = notebook
        self._keeps_book = scenario.work in JOBS

    # The vendor itself: is what it did what its documents say?

    def vendor(self) -> Iterator[str]:
        """Hold every response, and every change of a SIM, to the state machine."""
        for exchange in self._notebook.exchanges:
            if self._changes_a_sim(exchange) and exchange.carried_out is not None:
                yield from self._response(exchange)
        for wish in {wish.sid: wish for wish in self._notebook.wishes}.values():
            yield from self._moves(wish.sid)

    def _changes_a_sim(self, exchange: Exchange) -> bool:
        return exchange.method == "POST" and exchange.path.startswith("/v1/Sims/")

    def _wanted(self, exchange: Exchange) -> dict[str, Any]:
        keyword = model.OWNED[self._product][0]
        spelled = {"Status": "status", "Fleet": "fleet", "RatePlan": "rate_plan"}
        found = {spelled[key]: value for key, value in exchange.form.items() if key in spelled}
        if keyword in found:
            found[keyword] = self._notebook.names.get(found[keyword], found[keyword])
        return found

    def _response(self, exchange: Exchange) -> Iterator[str]:
        status, sid = exchange.carried_out, exchange.sid
        if status is None or sid is None or status == 429 or status in (401, 403) or status >= 500:
            return
        wanted = self._wanted(exchange)
        states = self._states(sid, exchange.passed_on or 0.0, exchange.responded or 0.0)
        if not any(
            model.fits(
                self._product, model.says(self._product, state, wanted), status, exchange.body
            )
            for state in states
        ):
            yield f"the vendor said {status} {exchange.body} to {wanted} of {sid} in {states}"

    def _states(self, sid: str, since: float, until: float) -> list[Mapping[str, Any]]:
        """What a SIM was in this time."""
        first = self._notebook.at(sid, since - _MOMENT)
        later = [
            move.after
            for move in self._notebook.history(sid)
            if since - _MOMENT < move.time <= until
        ]
        return [*([first] if first else []), *later]

    def _moves(self, sid: str) -> Iterator[str]:
        history = self._notebook.history(sid)
        if not history:
            return  # a card that is to be registered
        origin: Mapping[str, Any] = history[0].after
        for one, following in pairwise(history):
            before, after = one.after, following.after
            if not model.is_pending(self._product, before):
                origin = before
            wanted = None if sid in self._notebook.touched else self._asked_before(following)
            if wanted is None and model.is_pending(self._product, before):
                continue
            if not model.may_follow(self._product, before, after, origin, wanted):
                yield f"{sid} went from {before} to {after}, of which no document knows"

    def _asked_before(self, move: Move) -> Mapping[str, Any] | None:
        """The last change that was accepted before a moment."""
        found = None
        for one in self._notebook.exchanges:
            passed = one.passed_on is not None and one.passed_on <= move.time
            if self._changes_a_sim(one) and one.sid == move.sid and passed:
                lost = one.carried_out is None  # the vendor died after it
                if lost or model.is_pending(self._product, one.body or {}):
                    found = self._wanted(one)
        return found

    # The wishes: was each fulfilled once, and is what was said of it true?

    def wishes(self) -> Iterator[str]:
        """Judge every wish."""
        for wish, following in self._with_next():
            until = following.tries[0].began if following and following.tries else float("inf")
            judged = {
                "texts": self._text,
                "creates": self._text,
                "registers": self._existence,
                "deletes": self._existence,
            }.get(self._scenario.work, partial(self._update, until=until))
            for fault in judged(wish):
                yield f"{wish.sid} {dict(wish.change)}: {fault}"

    def _with_next(self) -> Iterator[tuple[Wish, Wish | None]]:
        wishes = self._notebook.wishes
        for place, wish in enumerate(wishes):
            following = wishes[place + 1] if place + 1 < len(wishes) else None
            yield wish, following if following and following.sid == wish.sid else None

    def _endings(self, wish: Wish) -> Iterator[tuple[Try, _Told]]:
        """Each time that somebody was told how it ended, and since when that was tried."""
        if self._keeps_book:
            if wish.state is None or wish.state in OPEN:
                return
            times = [time for time, state in wish.told if state == wish.state]
            told = times[0] if times else self._notebook.ended or 0.0
            good = wish.state in ("done", "already")
            error = wish.error or (None if good else wish.state)
            yield wish.tries[0], _Told(told, good, error, wish.state == "already")
            return
        for one in wish.tries:
            if one.ended is not None:
                yield one, _Told(one.ended, one.ok, _name(one.error))

    def _update(self, wish: Wish, until: float) -> Iterator[str]:
        if not wish.tries:
            return
        target = dict(wish.change)
        keyword = model.OWNED[self._product][0]
        if keyword in target:
            target[keyword] = self._notebook.names[target[keyword]]
        if self._keeps_book and wish.state is None:
            yield "lost: nobody knows what became of it"
        for one, told in self._endings(wish):
            yield from self._truth(wish, target, one, told)
            yield from self._deadline(wish, target, one, told)
        yield from self._needless(wish, target, until)
        if wish.sid not in self._notebook.touched:
            yield from self._repeated(wish, target, until)

    def _truth(self, wish: Wish, target: Mapping[str, Any], one: Try, told: _Told) -> Iterator[str]:
        states = self._states(wish.sid, one.began, told.time)
        reached = any(model.meets(self._product, state, target) for state in states)
        began = self._begun(wish.sid, one.began, told.time)
        touched = wish.sid in self._notebook.touched
        if told.ok and not reached:
            yield f"called a success, but it was never there: {states}"
        if told.already and began and not touched:
            yield "called already there, and was changed by us"
        if told.ok or told.error is None or touched:
            return
        last = states[-1]
        if told.error == "TransitionFailed":
            if not began and not self._begun(wish.sid, 0.0, told.time):
                yield "called failed, and nothing had begun"
            if model.is_pending(self._product, last) or model.meets(self._product, last, target):
                yield f"called failed, while it is {last}"
        elif told.error in _DEFINITE or self._keeps_book:
            # One change alone does not wait for another that is running; it says so. The code means
            # "not allowed" too, so that it may be a BadRequest once the other one has ended.
            refused = told.error in ("Conflict", "BadRequest")
            alone = self._scenario.work == "waits" and refused
            busy = any(model.is_pending(self._product, state) for state in states)
            # Whose tokens are made void again and again is told so, before anything was done.
            voided = told.error == "PermissionDenied" and self._scenario.expiries and not began
            # A throttled change is retried until the caller's deadline; then it says that it was.
            late = told.time >= one.began + self._scenario.timeout
            throttled = told.error == "RateLimited" and late and not began
            if not (alone and busy) and not voided and not throttled:
                yield f"ended with {told.error}, which nothing can excuse here"

    def _begun(self, sid: str, since: float, until: float) -> list[Move]:
        """When changes of a SIM began."""
        return [
            move
            for move in self._notebook.history(sid)
            if since - _MOMENT < move.time <= until
            and model.is_pending(self._product, move.after)
            and not (move.before and model.is_pending(self._product, move.before))
        ]

    def _deadline(
        self, wish: Wish, target: Mapping[str, Any], one: Try, told: _Told
    ) -> Iterator[str]:
        took = told.time - one.began
        most = 4 * self._scenario.timeout + TIMEOUT.queue + 200.0
        if took > most and not self._keeps_book:  # a job has no deadline but the world's end
            yield f"took {took:g} s, which no deadline allows"
        if self._scenario.fair and wish.sid not in self._notebook.touched:
            yield from self._known_at_once(wish, target, one, told)

    def _known_at_once(
        self, wish: Wish, target: Mapping[str, Any], one: Try, told: _Told
    ) -> Iterator[str]:
        """Where nothing stands in the way, whoever waits knows soon, by callback or by polling."""
        there = [
            move.time
            for move in self._notebook.history(wish.sid)
            if one.began <= move.time <= told.time
            and model.meets(self._product, move.after, target)
        ]
        if not there:
            return
        late = told.time - there[0]
        if told.error == "TransitionTimeout" and late > _READ:
            yield f"timed out, though it had been there for {late:g} s"
        callbacks = self._scenario.faults
        lost = callbacks.get("lost_callbacks") or callbacks.get("late_callbacks")
        called = self._scenario.listens and not lost and not self._scenario.forged
        if told.ok and late > (_SOON if called else _POLLED):
            yield f"known {late:g} s after it was there"

    def _posts(self, wish: Wish, until: float) -> list[Exchange]:
        began = wish.tries[0].began
        return [
            one
            for one in self._notebook.exchanges
            if one.method == "POST" and one.sid == wish.sid and began <= one.arrived < until
        ]

    def _needless(self, wish: Wish, target: Mapping[str, Any], until: float) -> Iterator[str]:
        """Requests that were sent without having seen that they were needed."""
        posts = self._posts(wish, until)
        if self._keeps_book:
            for post in posts:
                run = max(one.began for one in wish.tries if one.began <= post.arrived)
                if not self._saw_need(wish, target, run, post):
                    yield f"sent at {post.arrived:.3f} without a look in that run"
        for one, following in pairwise(posts):
            refused = one.status is not None and 400 <= one.status < 500
            tried = any(one.arrived < again.began <= following.arrived for again in wish.tries)
            if refused or (tried and not self._keeps_book):
                continue
            if not self._saw_need(wish, target, one.arrived, following):
                yield f"sent at {one.arrived:.3f}, and again at {following.arrived:.3f}, unseen"

    def _saw_need(
        self, wish: Wish, target: Mapping[str, Any], since: float, post: Exchange
    ) -> bool:
        """Tell whether the client was shown, since then, that a request was needed."""
        return any(
            record.get("sid") == wish.sid
            and not model.is_pending(self._product, record)
            and not model.meets(self._product, record, target)
            for one in self._notebook.exchanges
            if one.method == "GET"
            and one.answered is not None
            and since <= one.answered <= post.arrived
            for record in records_shown(one)
        )

    def _repeated(self, wish: Wish, target: Mapping[str, Any], until: float) -> Iterator[str]:
        """Changes that began twice, though the first had not failed."""
        begun = self._begun(wish.sid, wish.tries[0].began, until - 2 * _MOMENT)
        for one, following in pairwise(begun):
            between = [
                move.after
                for move in self._notebook.history(wish.sid)
                if one.time <= move.time < following.time
            ]
            if any(model.meets(self._product, state, target) for state in between):
                yield f"changed at {one.time:.3f} and, after it was there, at {following.time:.3f}"

    # Registrations and deletions, which do no harm when they are repeated.

    def _existence(self, wish: Wish) -> Iterator[str]:
        if wish.state is None:
            yield "lost: nobody knows what became of it"
        is_there = wish.sid in self._notebook.there
        for _, told in self._endings(wish):
            if not told.ok:
                yield f"ended with {told.error}, which nothing can excuse here"
            elif is_there is not (self._scenario.work == "registers"):
                yield f"called done, and it is {'still' if is_there else 'not'} there"

    # Texts: each once, or at most once and said so.

    def _text(self, wish: Wish) -> Iterator[str]:
        text = next(iter(wish.change.values()))
        posts = [
            one
            for one in self._notebook.exchanges
            if one.method == "POST" and text in (one.form.get("Payload"), one.form.get("Command"))
        ]
        sent = [one for one in posts if one.carried_out is not None and one.carried_out < 300]
        perhaps = [one for one in posts if one.passed_on is not None and one.carried_out is None]
        if len(sent) > 1:
            yield f"sent {len(sent)} times"
        if self._keeps_book and wish.state is None:
            yield "lost: nobody knows what became of it"
        for _, told in self._endings(wish):
            exists = bool(sent) or bool(perhaps)
            if told.ok and not exists:
                yield "called sent, and never was"
            elif told.error in _DEFINITE or told.error == "impossible":
                if sent or self._notebook.deaths == []:
                    yield f"ended with {told.error}, though {len(sent)} were sent"
            elif told.error == "OutcomeUnknown" and self._is_known(posts):
                yield "called unknown, though every response was heard"

    def _is_known(self, posts: list[Exchange]) -> bool:
        """Whether no request can have been lost on its way."""
        unheard = [one for one in posts if one.status is None or one.status >= 500]
        return not (unheard or self._notebook.deaths or self._notebook.disturbed)


def _name(error: Exception | None) -> str | None:
    return None if error is None else type(error).__name__
