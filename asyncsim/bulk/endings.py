"""From the outcome of one piece of work to the state of its row."""

from __future__ import annotations

from typing import Any

from asyncsim.bulk.actions import Action
from asyncsim.bulk.records import Ending, State
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
from asyncsim.resources.outcome import Outcome

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
