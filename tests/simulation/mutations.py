"""Mutations: each safeguard of the product is switched off in turn, and a world must go wrong.

They are switched off by patching, in the child process of one world; the product has no switch.
What is patched is found by the names of class and method, wherever their module is; a name that
is gone is an error, so that no mutation loses its effect unseen.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any

from attrs import evolve, frozen

import asyncsim
from tests.simulation.result import WorldResult
from tests.simulation.scenario import Scenario, draw

SEEDS = 500
"""Each mutation must be found within so many seeds."""

Change = Callable[[Any], Any]
"""From the original to its replacement."""


@frozen(kw_only=True)
class Mutation:
    """One safeguard, and the worlds in which its absence can matter."""

    name: str
    why: str
    """What the safeguard is."""
    of: str
    """`Class.method`, or a function's name."""
    without: Change
    shows: Collection[str]
    """Words of the violations that the mutation explains; others do not count."""
    matters: Callable[[Scenario], bool]

    def seeds(self) -> Iterator[int]:
        """The seeds whose worlds can show the mutation."""
        return (seed for seed in range(1, SEEDS + 1) if self.matters(draw(seed)))

    def violation_of(self, result: WorldResult) -> str:
        """The first violation that the missing safeguard explains; empty if none."""
        violations = result.violations
        return next((one for one in violations if any(words in one for words in self.shows)), "")

    def is_shown_by(self, result: WorldResult) -> bool:
        """Whether a violation in a world is explained by the missing safeguard."""
        return bool(self.violation_of(result))

    def switch_off(self) -> Callable[[], None]:
        """A function that patches the safeguard; LookupError if there is none of this name."""
        owners, name = _owners(self.of)

        def patch() -> None:
            changed = self.without(getattr(owners[0], name))
            for owner in owners:
                setattr(owner, name, changed)

        return patch


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(asyncsim.__path__, "asyncsim."):
        if not found.name.endswith(("__main__", "history", "pytest_plugin")):
            yield importlib.import_module(found.name)


def _owners(of: str) -> tuple[list[Any], str]:
    """The class of a method, or all modules that have a function of this name."""
    owner, _, name = of.rpartition(".")
    modules = [*_modules()]
    if owner:
        for module in modules:
            found = vars(module).get(owner)
            if isinstance(found, type) and name in vars(found):
                return [found], name
        raise LookupError(f"there is no {of} any more")
    homes = [m for m in modules if getattr(vars(m).get(name), "__module__", "") == m.__name__]
    if len(homes) != 1:
        raise LookupError(f"there are {len(homes)} functions {name}")
    function = vars(homes[0])[name]
    return [module for module in modules if vars(module).get(name) is function], name


# What takes the place of each.


def _takes_it_for_sent(original: Any) -> Any:
    def missed(self: Any, record: Any, now: float, source: Any) -> Any:
        self.proven = True
        return original(self, record, now, source)

    return missed


def _does_nothing(_: Any) -> Any:
    def nothing(*args: Any, **keywords: Any) -> None:
        return None

    return nothing


def _says_yes(_: Any) -> Any:
    return lambda *args, **keywords: True


def _unawaited(original: Any) -> Any:
    async def begins(*args: Any, **keywords: Any) -> None:
        task = asyncio.ensure_future(original(*args, **keywords))
        _KEPT.append(task)

    return begins


_KEPT: list[Any] = []


def _absent_is_there(_: Any) -> Any:
    def read_all(self: Any, waits: Any) -> None:
        for wait in [*waits]:
            shown = {"status": "active", "unique_name": None, "date_updated": None}
            record = SimpleNamespace(**{**shown, "sid": wait.sid, **wait.goal.expected})
            self._take(record, "sweep", self._clock.now())

    return read_all


def _too_late(original: Any) -> Any:
    """Take up a wait only when its POST has been responded to."""
    (watcher, *_), _ = _owners("Watcher.accepted")
    accepted = watcher.accepted

    def register(self: Any, wait: Any) -> None:
        if not wait.post_pending or wait.no_request:
            original(self, wait)

    def accepted_late(self: Any, wait: Any, record: Any) -> None:
        original(self, wait)
        accepted(self, wait, record)

    watcher.accepted = accepted_late
    return register


def _believes_old_reads(original: Any) -> Any:
    def missed(self: Any, record: Any, now: float, source: Any) -> Any:
        return original(self, record, now, source) if self.post_pending else self._fail(source)

    return missed


def _believes_callbacks(original: Any) -> Any:
    def callback_received(self: Any, status: Any, now: float, **facts: Any) -> Any:
        return original(self, status, now, **{**facts, "signed": True, "current": True})

    return callback_received


def _believes_old_tickets(original: Any) -> Any:
    def handle_callback(self: Any, callback: Any) -> Any:
        waits = self.find(callback.name)
        return original(self, evolve(callback, nonce=waits[0].nonce) if waits else callback)

    return handle_callback


def _looks_away(_: Any) -> Any:
    async def look(*args: Any, **keywords: Any) -> None:
        return None

    return look


def _repeats_creates(original: Any) -> Any:
    def creation(self: Any, *args: Any, **keywords: Any) -> Any:
        request = original(self, *args, **keywords)
        request.idempotency = type(request.idempotency).SAFE
        return request

    return creation


def _throttled_fails(original: Any) -> Any:
    def decide_on_status(status: int, idempotency: Any) -> Any:
        decision = original(status, idempotency)
        return type(decision).REJECTED if status == 429 else decision

    return decide_on_status


def _sees_need_everywhere(original: Any) -> Any:
    def judge(entry: Any, sim: Any, goal: Any) -> Any:
        verdict, state = original(entry, sim, goal)
        return type(verdict).CHANGE, type(state).READY

    return judge


def _sends_texts_again(original: Any) -> Any:
    def judge(entry: Any) -> Any:
        verdict, _ = original(evolve(entry, state=type(entry.state).READ, reference=None))
        return verdict, type(entry.state).READY

    return judge


def _raises_conflicts(_: Any) -> Any:
    async def after_conflict(self: Any, change: Any, conflict: Exception) -> None:
        raise conflict

    return after_conflict


def _gives_up_unread(_: Any) -> Any:
    def expire(self: Any, wait: Any, now: float) -> None:
        self._time_out(wait)

    return expire


def _trusts_callbacks_to_come(original: Any) -> Any:
    def pause(*args: Any, expecting: bool, **keywords: Any) -> Any:
        return 1e6 if expecting else original(*args, expecting=expecting, **keywords)

    return pause


# In which worlds each can matter.


def _changes(scenario: Scenario) -> bool:
    return bool(scenario.goals)


def _of_many(scenario: Scenario) -> bool:
    return scenario.work in ("job", "many")


def _loses(scenario: Scenario) -> bool:
    gateway_faults = scenario.gateway_faults
    return bool(gateway_faults.cut or gateway_faults.torn or gateway_faults.gateway)


def _sends(scenario: Scenario) -> bool:
    return scenario.work in ("texts", "creates")


def _fails(scenario: Scenario) -> bool:
    return bool(scenario.faults.get("failing_updates"))


TABLE: Collection[Mutation] = (
    Mutation(
        name="intent",
        why="a request goes out only when the intent to send it is on disk",
        of="Journal.record_intent",
        without=_unawaited,
        shows=("sent 2 times", "was changed by us"),
        matters=lambda scenario: bool(scenario.work == "texts" and scenario.kills),
    ),
    Mutation(
        name="absence",
        why="a SIM that a sweep does not show is read before it counts as settled",
        of="Sweeper._read_all",
        without=_absent_is_there,
        shows=("called a success, but it was never there",),
        matters=lambda scenario: (
            _of_many(scenario)
            and scenario.sims >= scenario.sweep_from
            and bool(_fails(scenario) or scenario.gateway_faults.old)
        ),
    ),
    Mutation(
        name="registration",
        why="a wait is registered before its POST is sent",
        of="Watcher.register",
        without=_too_late,
        shows=("after it was there",),
        matters=lambda scenario: (
            scenario.unhindered and scenario.has_receiver and scenario.transition < 1
        ),
    ),
    Mutation(
        name="old-reads",
        why="a read off target that may be an old copy ends no wait",
        of="Transition._missed",
        without=_believes_old_reads,
        shows=("called failed, while it is",),
        matters=lambda scenario: _changes(scenario) and scenario.gateway_faults.old > 0.1,
    ),
    Mutation(
        name="unconfirmed-callbacks",
        why="a callback that nobody signed is confirmed by a read",
        of="Transition.callback_received",
        without=_believes_callbacks,
        shows=("called a success, but it was never there",),
        matters=lambda scenario: (
            _of_many(scenario) and scenario.forged_callbacks > 0.2 and scenario.vendor == "kore"
        ),
    ),
    Mutation(
        name="signatures",
        why="a callback with a wrong signature is rejected",
        of="_is_proven",
        without=_says_yes,
        shows=("called a success, but it was never there",),
        matters=lambda scenario: _of_many(scenario) and scenario.forged_callbacks > 0.2,
    ),
    Mutation(
        name="old-tickets",
        why="a callback of an earlier change proves nothing of this one",
        of="Watcher.handle_callback",
        without=_believes_old_tickets,
        shows=("called a success, but it was never there",),
        matters=lambda scenario: (
            scenario.work == "many"
            and scenario.has_receiver
            and len(scenario.goals) > 1
            and scenario.held_callbacks > 0
        ),
    ),
    Mutation(
        name="lost-responses",
        why="after a lost response the SIM is read before its change is sent again",
        of="_Write._pause_and_read",
        without=_looks_away,
        shows=("unseen",),
        matters=lambda scenario: _changes(scenario) and _loses(scenario),
    ),
    Mutation(
        name="creates",
        why="a create whose response was lost is never repeated",
        of="Resource.creation",
        without=_repeats_creates,
        shows=("sent 2 times", "sent 3 times"),
        matters=lambda scenario: _sends(scenario) and _loses(scenario),
    ),
    Mutation(
        name="throttled",
        why="a request that was throttled is sent again, however often",
        of="decide_on_status",
        without=_throttled_fails,
        shows=("RateLimited",),
        matters=lambda scenario: _changes(scenario) and bool(scenario.faults.get("rate_limited")),
    ),
    Mutation(
        name="plan",
        why="what a look shows decides which rows are sent, after a kill too",
        of="_judge_update",
        without=_sees_need_everywhere,
        shows=("without a look", "unseen"),
        matters=lambda scenario: scenario.work == "job",
    ),
    Mutation(
        name="doubtful-texts",
        why="a text that was on its way at a kill is not sent again",
        of="_judge_send",
        without=_sends_texts_again,
        shows=("sent 2 times",),
        matters=lambda scenario: bool(scenario.work == "texts" and scenario.kills),
    ),
    Mutation(
        name="lock",
        why="one process at a time has a job's journal",
        of="JournalFile.acquire",
        without=_says_yes,
        shows=("sent 2 times", "unseen", "without a look", "after it was there"),
        matters=lambda scenario: scenario.second,
    ),
    Mutation(
        name="conflicts",
        why="another change that is running is waited for",
        of="UpdateJob._post_after_other",
        without=_raises_conflicts,
        shows=("ended with Conflict",),
        matters=lambda scenario: scenario.work == "many" and bool(scenario.kills),
    ),
    Mutation(
        name="deadlines",
        why="every wait ends by its deadline",
        of="Timers.set_deadline",
        without=_does_nothing,
        shows=("deadline", "not done"),
        matters=lambda scenario: scenario.work == "waits" and scenario.transition >= 20,
    ),
    Mutation(
        name="last-read",
        why="a deadline is preceded by one last read",
        of="Watcher._expire",
        without=_gives_up_unread,
        shows=("timed out, though it had been there",),
        matters=lambda scenario: (
            scenario.unhindered and _changes(scenario) and scenario.transition >= 8
        ),
    ),
    Mutation(
        name="safety-reads",
        why="a lost callback costs delay, never a hang",
        of="read_pause",
        without=_trusts_callbacks_to_come,
        shows=("after it was there", "not done", "deadline"),
        matters=lambda scenario: (
            scenario.unhindered
            and scenario.has_receiver
            and _changes(scenario)
            and bool(scenario.faults.get("lost_callbacks"))
        ),
    ),
    Mutation(
        name="unproven",
        why="a resumed wait calls nothing failed that was perhaps never sent",
        of="PreparedTransition._missed",
        without=_takes_it_for_sent,
        shows=("called failed",),
        matters=lambda scenario: (
            scenario.work == "waits" and scenario.sims >= 4 and bool(scenario.kills)
        ),
    ),
    Mutation(
        name="memory",
        why="`await_transition` knows what was asked for",
        of="UpdatableResource.remember_change",
        without=_does_nothing,
        shows=("called a success, but it was never there",),
        matters=lambda scenario: scenario.work == "waits" and _fails(scenario),
    ),
)
