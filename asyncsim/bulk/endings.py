"""From the outcome of one piece of work to the state of its row."""

from __future__ import annotations

from typing import Any

from asyncsim.bulk.actions import Action
from asyncsim.bulk.rows import Ending
from asyncsim.bulk.states import State
from asyncsim.errors import (
    DecodeError,
    OutcomeUnknown,
    QueueTimeout,
    RateLimited,
    ServerError,
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
    return State.NO_ANSWER if isinstance(error, VENDORS_TROUBLE) else State.FAILED


def is_failure(state: State) -> bool:
    """Tell whether it counts towards the failures that a run may have."""
    return state in _FAILURES


def ending_of(action: Action, outcome: Outcome[Any]) -> Ending:
    """Everything that the journal keeps of an outcome."""
    record = outcome.sim
    created = action is Action.SEND and record is not None
    return Ending(
        state=state_of(outcome.error),
        status=record.status if record is not None else None,
        error=outcome.error,
        settled_by=outcome.settled_by,
        confirmed=outcome.confirmed,
        requests=outcome.requests,
        seconds=outcome.seconds,
        sid=None if created or record is None else record.sid,
        reference=record.sid if created and record is not None else None,
    )
