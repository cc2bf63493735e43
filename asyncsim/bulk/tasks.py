"""Job tasks: a job's action for one SIM, the end of its row, and the stop signal."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define, field

from asyncsim.bulk.actions import Action
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
from asyncsim.resources.fan_out import QueuedJob, StepRecorder
from asyncsim.resources.jobs import CreateJob, RequestJob, UpdateJob
from asyncsim.resources.outcome import Outcome
from asyncsim.vendors import Product
from asyncsim.waiting import Watcher

# Errors that a later attempt may not meet. A response that cannot be decoded is most often the
# HTML page of a gateway, so it counts as an outage, not as the vendor's verdict on the SIM.
TRANSIENT_ERRORS = (TransportError, ServerError, RateLimited, QueueTimeout, DecodeError)
_CACHED_GOALS = 10_000  # distinct changes; a file may have a different name in every row


class Stopped(Exception):  # internal: ends reading and planning, which have nothing in flight
    """The run was stopped."""


@define(eq=False)
class StopSignal:
    """Why a run ends early; set by the part that notices first, watched by all."""

    reason: str | None = None
    """The first reason given; one that stops the run replaces one that lets it settle."""
    error: Exception | None = None
    """The error that `bulk.run` raises at the end."""
    advice: str | None = None
    """What to check before the next run."""
    event: asyncio.Event = field(factory=asyncio.Event)

    def stop(self, reason: str, error: Exception | None = None) -> None:
        """Stop the run; later reasons are ignored."""
        if not self.event.is_set():
            self.reason, self.error = reason, error
        self.event.set()

    def send_no_more(self, reason: str) -> None:
        """End the run once the rows in flight have settled."""
        self.reason = self.reason or reason

    def stop_for_pause(self, seconds: float) -> None:
        """Stop because the server asked for a long pause; the job stays resumable."""
        self.stop(f"retry after {seconds:,.10g} s")

    def raise_if_stopped(self) -> None:
        """Raise `Stopped` if the run was stopped."""
        if self.event.is_set():
            raise Stopped


def state_of(error: Exception | None) -> State:
    """The state in which an error leaves a row."""
    if error is None:
        return State.DONE
    if isinstance(error, OutcomeUnknown):
        return State.UNKNOWN
    if isinstance(error, TransitionTimeout):
        return State.TIMED_OUT
    # A lost earlier attempt may have been carried out although the last one was rejected; FAILED
    # would claim that it was not. NO_ANSWER makes the next plan read the SIM first.
    unknown = isinstance(error, AsyncSimError) and error.outcome_unknown
    return State.NO_ANSWER if unknown or isinstance(error, TRANSIENT_ERRORS) else State.FAILED


def requested_pause(error: BaseException | None, longest: float) -> float | None:
    """Seconds that the server asked us to pause (`Retry-After`), if longer than `longest`."""
    if isinstance(error, OutcomeUnknown):
        error = error.__cause__
    if isinstance(error, QueueTimeout):
        return error.retry_after
    seconds = error.retry_after if isinstance(error, APIError) else None
    return seconds if seconds is not None and seconds > longest else None


def ending_of(action: Action, outcome: Outcome[Any], reference: str | None = None) -> Ending:
    """Convert an outcome for the journal; `reference`: SID of what the row created before."""
    record, error, state = outcome.sim, outcome.error, state_of(outcome.error)
    sid = record.sid if record is not None else None
    if action is Action.SEND and sid is not None:  # the record is the text's
        sid, reference = None, sid
    if isinstance(error, ClientClosed):
        # The next plan reads a SIM to learn whether its update was carried out. A text cannot be
        # read without the SID from its response.
        state = State.UNKNOWN if action is Action.SEND and error.sent else State.NO_ANSWER
    elif (
        reference is not None and state is State.FAILED and not isinstance(error, TransitionFailed)
    ):
        # The text exists, so only its own final status `failed` permits sending it again. Any
        # other error came from reading it.
        state = State.NO_ANSWER
        if isinstance(error, NotFound):
            state = State.UNKNOWN
            why = f"it was created as {reference}, which no longer exists"
            error = OutcomeUnknown(f"send to {outcome.sid}", why)
    if record is not None:
        status = record.status
    else:  # a callback is accepted only with the requested status, and brings no record
        status = outcome.requested.get("status") if outcome.settled_by == "callback" else None
    return Ending(
        state=state,
        status=status,
        error=error,
        settled_by=outcome.settled_by,
        confirmed=outcome.confirmed,
        requests=outcome.requests,
        seconds=outcome.seconds,
        sid=sid,
        reference=reference,
    )


class JobTask:
    """One job's action and change as calls of one client's resources; without a journal."""

    def __init__(
        self, client: Client, product: Product, action: Action, change: Mapping[str, Any]
    ) -> None:
        self.context = client.context
        self.product = product
        self.action = action
        self.change = change
        wireless = product is Product.WIRELESS
        self.sims: Any = client.wireless.sims if wireless else client.supersim.sims
        self._commands: Any = client.wireless.commands if wireless else client.supersim.sms_commands
        self._goals: dict[str, Goal] = {}
        self._missing: dict[tuple[str, str], NotFound] = {}
        """Fleets and RatePlans that do not exist, so that a million rows fetch each only once."""

    async def start_watcher(self) -> Watcher:
        """Start the watcher of this job's waits, and return it."""
        watched = self._commands if self.action is Action.SEND else self.sims
        watcher: Watcher = await watched.resource.start_watcher()
        return watcher

    def change_of(self, entry: Entry) -> Mapping[str, Any]:
        """The keywords for one row: the job's, overridden by the row's own."""
        return {**self.change, **entry.change} if entry.change else self.change

    async def goal_of(self, entry: Entry) -> Goal:
        """The goal of one row, with names resolved; `NotFound` for a missing Fleet or RatePlan."""
        if self.action is not Action.UPDATE:
            return self._goals.setdefault("", Goal(self.sims.kind))
        key = json.dumps(entry.change) if entry.change else ""
        goal = self._goals.get(key)
        if goal is None:
            change = self.change_of(entry)
            if "account_sid" not in change:  # otherwise the names belong to the other account
                for keyword, resolver in self.sims.resource.resolvers.items():
                    name: str = change.get(keyword) or ""
                    if name and (keyword, name) not in self._missing:
                        try:
                            await resolver.sid_of(name)
                        except NotFound as error:
                            self._missing[keyword, name] = error
                    if missing := self._missing.get((keyword, name)):
                        raise copy.copy(missing)  # the same object would accumulate tracebacks
            goal = Goal(self.sims.kind, await self.sims.resource.resolve(change))
            if len(self._goals) >= _CACHED_GOALS:
                self._goals.clear()
            self._goals[key] = goal
        return goal

    def queued(self, entry: Entry, recorder: StepRecorder, timeout: float | None) -> QueuedJob[Any]:
        """The fan-out's job for one row."""
        name, change = entry.sid or entry.name, self.change_of(entry)
        sims = self.sims.resource
        make: Any
        match self.action:
            case Action.UPDATE:
                ours = entry.state in IN_DOUBT
                adopted = ours or entry.verdict is Verdict.BUSY
                make = partial(UpdateJob, sims, name, change, adopted=adopted)
                make = partial(make, ours=ours, timeout=timeout)
            case Action.SEND:
                # `sent` is final unless a receipt was requested: only then `delivered` follows
                # (Twilio docs, "Command Resource").
                receipt = str(change.get("delivery_receipt_requested", "")).lower() == "true"
                make = partial(
                    CreateJob,
                    self._commands.resource,
                    name,
                    {**change, "sim": name},
                    until="delivered" if receipt else None,
                    reference=entry.reference,
                    timeout=timeout,
                )
            case Action.DELETE:
                make = partial(RequestJob, self.context.clock, name, change)
                make = partial(make, build=partial(sims.deletion, name), send=sims.send_deletion)
            case Action.REGISTER:
                make = partial(RequestJob, self.context.clock, name, change)
                build = partial(sims.registration, {"iccid": entry.name, **change})
                send = partial(sims.send_registration, iccid=entry.name)
                make = partial(make, build=build, send=send)
        return QueuedJob(name, change, partial(make, recorder=recorder))
