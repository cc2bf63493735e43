"""What a job asks of each SIM, in terms of a client's resources."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define, field

from asyncsim.bulk.actions import Action, is_irreversible
from asyncsim.bulk.records import IN_DOUBT, Ending, Entry, State, Verdict
from asyncsim.client import Client
from asyncsim.core.goal import Goal
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    ClientClosed,
    DecodeError,
    NotFound,
    OutcomeUnknown,
    QueueTimeout,
    RateLimited,
    ServerError,
    TransitionFailed,
    TransitionTimeout,
    TransportError,
)
from asyncsim.resources.creation import Creation
from asyncsim.resources.jobs import One
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.piece import Log, Order
from asyncsim.resources.single import Single
from asyncsim.vendors import Product
from asyncsim.waiting import Watcher


class Stopped(Exception):  # internal: ends reading or planning, where nothing is under way
    """The run was halted."""


@define(eq=False)
class StopSignal:
    """The first reason counts."""

    reason: str | None = None
    error: Exception | None = None
    """What the run ends with."""
    happened: asyncio.Event = field(factory=asyncio.Event)

    def __call__(self, reason: str, error: Exception | None = None) -> None:
        """Stop sending."""
        if self.reason is None:
            self.reason, self.error = reason, error
        self.happened.set()

    def for_pause(self, seconds: float) -> None:
        """Stop, as the server wants no requests for so long: whoever runs it again then goes on."""
        self(f"retry after {seconds:,.10g} s")

    def check(self) -> None:
        """Raise `Stopped` if it was."""
        if self.happened.is_set():
            raise Stopped


VENDORS_TROUBLE = (TransportError, ServerError, RateLimited, QueueTimeout, DecodeError)
"""Errors that time may mend; what cannot be decoded is a gateway's page."""
_FAILURES = frozenset({State.FAILED, State.UNKNOWN, State.NO_ANSWER})


def state_of(error: Exception | None) -> State:
    """The state in which an error leaves a row."""
    if error is None:
        return State.DONE
    if isinstance(error, OutcomeUnknown):
        return State.UNKNOWN
    if isinstance(error, TransitionTimeout):
        return State.TIMED_OUT
    # Whatever it says, an earlier attempt may have been carried out: the next run reads first.
    unsure = isinstance(error, AsyncSimError) and error.outcome_unknown
    return State.NO_ANSWER if unsure or isinstance(error, VENDORS_TROUBLE) else State.FAILED


def pause_asked(error: BaseException | None, longest: float) -> float | None:
    """Seconds for which the server wants no requests, if that is longer than a call waits."""
    if isinstance(error, OutcomeUnknown):
        error = error.__cause__
    if isinstance(error, QueueTimeout):
        return error.retry_after
    asked = error.retry_after if isinstance(error, APIError) else None
    return asked if asked is not None and asked > longest else None


def is_failure(state: State) -> bool:
    """Tell whether it counts towards the failures that a run may have."""
    return state in _FAILURES


def ending_of(action: Action, outcome: Outcome[Any], reference: str | None = None) -> Ending:
    """Everything that the journal keeps of an outcome; `reference`: what was created before."""
    record = outcome.sim
    created = action is Action.SEND and record is not None
    if record is not None and created:
        reference = record.sid
    state, error = state_of(outcome.error), outcome.error
    if isinstance(error, ClientClosed):
        text = action is Action.SEND and error.sent
        state = State.UNKNOWN if text else State.NO_ANSWER
    if reference is not None and state is State.FAILED:
        state, error = _of_what_exists(outcome.sid, error, reference)
    return Ending(
        state=state,
        status=record.status if record is not None else _told(outcome),
        error=error,
        settled_by=outcome.settled_by,
        confirmed=outcome.confirmed,
        requests=outcome.requests,
        seconds=outcome.seconds,
        sid=None if created or record is None else record.sid,
        reference=reference,
    )


def _told(outcome: Outcome[Any]) -> str | None:
    """Return the status that a callback told, which is believed only if it is the one wanted."""
    return outcome.requested.get("status") if outcome.settled_by == "callback" else None


def _of_what_exists(
    name: str, error: Exception | None, reference: str
) -> tuple[State, Exception | None]:
    """Judge a text that was created: only what did not work out may be sent again, if asked for."""
    if isinstance(error, TransitionFailed):
        return State.FAILED, error
    if isinstance(error, NotFound):
        look = f"it was created as {reference}, which cannot be found any more"
        return State.UNKNOWN, OutcomeUnknown(f"send to {name}", look)
    return State.NO_ANSWER, error


_MOST_GOALS = 10_000  # different changes that are kept resolved


class JobTask:
    """One job's work at one client; knows no journal."""

    def __init__(
        self, client: Client, product: Product, action: Action, change: Mapping[str, Any]
    ) -> None:
        self.product = product
        self.action = action
        self.change = change
        wireless = product is Product.WIRELESS
        self.sims: Any = client.wireless.sims if wireless else client.supersim.sims
        self._commands: Any = client.wireless.commands if wireless else client.supersim.sms_commands
        self._goals: dict[str, Goal] = {}
        self._missing: dict[tuple[str, str], NotFound] = {}

    @property
    def page_size(self) -> int:
        """Rows of the largest page."""
        return int(self.sims.kind.page_ceiling(self.sims.context.vendor))

    async def ready(self) -> Watcher:
        """Start the watcher whose waits these are."""
        watched = self._commands if self.action is Action.SEND else self.sims
        watcher: Watcher = await watched._the_watcher()
        return watcher

    def asked(self, entry: Entry) -> Mapping[str, Any]:
        """What is asked of one row: the job's keywords, and its own on top."""
        return {**self.change, **entry.change} if entry.change else self.change

    def is_irreversible(self, entry: Entry) -> bool:
        """Tell whether what is asked of it can never be taken back."""
        return is_irreversible(self.product, self.action, self.asked(entry))

    async def goal_of(self, entry: Entry) -> Goal:
        """Resolve names in what is asked; `NotFound` when there is no such Fleet or RatePlan."""
        if self.action is not Action.UPDATE:
            return self._goals.setdefault("", Goal(self.sims.kind))
        key = json.dumps(entry.change) if entry.change else ""
        goal = self._goals.get(key)
        if goal is None:
            await self._check_names(self.asked(entry))
            goal = Goal(self.sims.kind, await self.sims._resolved(self.asked(entry)))
            if len(self._goals) >= _MOST_GOALS:
                self._goals.clear()
            self._goals[key] = goal
        return goal

    async def _check_names(self, asked: Mapping[str, Any]) -> None:
        """Ask for each Fleet or RatePlan once, also for one that does not exist."""
        if "account_sid" in asked:
            return  # they are another account's then
        for keyword, directory in self.sims._directories.items():
            name: str = asked.get(keyword) or ""
            if name and (keyword, name) not in self._missing:
                try:
                    await directory.sid_of(name)
                except NotFound as error:
                    self._missing[keyword, name] = error
            if missing := self._missing.get((keyword, name)):
                raise copy.copy(missing)

    def order(self, entry: Entry, log: Log, timeout: float | None) -> Order[Any]:
        """Build the piece of work that brings a row to its end."""
        name, given = entry.sid or entry.name, self.asked(entry)
        return Order(name, given, self._piece(name, given, entry, log, timeout))

    def _piece(
        self, name: str, given: Mapping[str, Any], entry: Entry, log: Log, timeout: float | None
    ) -> Any:
        if self.action is Action.UPDATE:
            ours = entry.state in IN_DOUBT
            adopted = ours or entry.verdict is Verdict.BUSY
            make = partial(One, self.sims, name, given, log=log, adopted=adopted, ours=ours)
            return partial(make, timeout=timeout)
        if self.action is Action.SEND:
            return self._creation(name, given, entry, log, timeout)
        single = partial(Single, self.sims.context, name, given, log=log)
        if self.action is Action.DELETE:
            request = partial(self.sims._deletion, name)
            return partial(single, request=request, send=self.sims._send_deletion)
        request = partial(self.sims._registration, {"iccid": entry.name, **given})
        send = partial(self.sims._send_registration, iccid=entry.name)
        return partial(single, request=request, send=send)

    def _creation(
        self, name: str, given: Mapping[str, Any], entry: Entry, log: Log, timeout: float | None
    ) -> Any:
        # A Command whose receipt was asked for goes on from `sent`.
        receipt = str(given.get("delivery_receipt_requested", "")).lower() == "true"
        return partial(
            Creation,
            self._commands,
            name,
            {**given, "sim": name},
            until="delivered" if receipt else None,
            reference=entry.reference,
            log=log,
            timeout=timeout,
        )
