from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim import errors, wait_errors
from asyncsim.models.supersim.sims import Sim

SID = "HSaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
OPERATION = f"POST /v1/Sims/{SID} (Super SIM)"
OTHER = "HSbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
WANTED = {"status": "active"}
SCHEDULED = Sim(sid=SID, status="scheduled")
INACTIVE = Sim(sid=SID, status="inactive")
PROBLEM: tuple[Any, ...] = (83007, "No Fleet", "https://www.twilio.com/docs/errors/83007", "RQ1")

# One error per class, and the parts of its text: which SIM, what happened, what to do next.
EXAMPLES: list[tuple[errors.AsyncSimError, list[str]]] = [
    (errors.AsyncSimError("no such thing"), ["no such thing"]),
    (errors.TransportError(OPERATION, "broken"), [SID, "broken"]),
    (
        errors.ConnectionFailed(OPERATION, "connection refused", sent=False),
        [SID, "connection refused", "nothing was sent"],
    ),
    (errors.RequestTimeout(OPERATION, "no response within 30 s"), [SID, "no response within 30 s"]),
    (
        errors.APIError(400, *PROBLEM, asked=OPERATION),
        [SID, "No Fleet (HTTP 400, code 83007)", "docs/errors/83007", "request RQ1"],
    ),
    (errors.BadRequest(400, *PROBLEM, asked=OPERATION), [SID, "HTTP 400, code 83007"]),
    (
        errors.AuthenticationError(401, 20003, "Authenticate", asked=OPERATION),
        [SID, "Authenticate", "check the account SID or client id"],
    ),
    (errors.PermissionDenied(403, None, "denied", asked=OPERATION), [SID, "denied (HTTP 403)"]),
    (errors.NotFound(404, 20404, "not found", asked=OPERATION), [SID, "HTTP 404, code 20404"]),
    (
        errors.Conflict(409, 33010, "updating", asked=OPERATION),
        [SID, "code 33010", "wait with await_transition()", "whether a change is still needed"],
    ),
    (errors.RateLimited(429, 20429, "Too Many Requests", asked=OPERATION), [SID, "HTTP 429"]),
    (errors.ServerError(503, asked=OPERATION), [SID, "no message (HTTP 503)"]),
    (errors.DecodeError(f"Sim {SID}", "no status"), [f"cannot read Sim {SID}", "no status"]),
    (
        errors.DecodeError("Sim", "a bad date", accepted=SID),
        ["a bad date", f"change of {SID} was accepted", f"await_transition('{SID}')"],
    ),
    (errors.WrongResource(SID, OTHER), [f"about {OTHER}, not about {SID}"]),
    (
        errors.ClientClosed(f"await {SID}", sent=True, last=SCHEDULED),
        [SID, "last seen 'scheduled'", "had been sent", "await_transition() of a new client"],
    ),
    (errors.ClientClosed(f"fetch Sim {SID}"), [SID, "no change had been sent"]),
    (errors.TransitionError(SID, WANTED, "did not work out"), ["did not work out"]),
    (
        errors.TransitionTimeout(SID, WANTED, SCHEDULED, 300.0),
        [
            SID,
            "status='active'",
            "within 300 s",
            "last seen 'scheduled'",
            "call await_transition()",
        ],
    ),
    (
        errors.TransitionTimeout(SID, {}, None, 0.5),
        [SID, "a settled status", "0.5 s", "never read"],
    ),
    (
        wait_errors.PerhapsNeverSent(
            *(SID, WANTED, INACTIVE, 300.0),
            status_before="inactive",
            date_before=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        [
            f"{SID} shows no trace of status='active' after 300 s",
            "it is 'inactive', updated 2026-01-02T00:00:00+00:00, as before",
            "perhaps never sent. Before you send anything, fetch the SIM again and compare",
        ],
    ),
    (
        wait_errors.PerhapsNeverSent(
            *(SID, {}, INACTIVE, 300.0), status_before="inactive", date_before=None
        ),
        ["no trace of the change", "it is 'inactive', as before"],
    ),
    (wait_errors.TokenError("the token was cut off"), ["the token was cut off"]),
    (
        errors.TransitionFailed(SID, WANTED, INACTIVE, 33104, "no plan"),
        [SID, "status='active'", "'inactive': no plan (code 33104)", "find the cause"],
    ),
    (
        errors.TransitionFailed(SID, WANTED, INACTIVE),
        [SID, "settled as 'inactive'; find the cause, and fetch the SIM before"],
    ),
    (
        errors.TransitionFailed(SID, WANTED, INACTIVE, None, "no plan"),
        ["settled as 'inactive': no plan; find the cause"],
    ),
    (errors.TargetForgotten(SID), [SID, "await_transition(..., until=...)"]),
    (
        errors.UnreachableStatus(SID, {"status": "ready"}, "active"),
        [SID, "status='ready'", "from 'active'", "nothing was sent"],
    ),
    (
        errors.OutcomeUnknown(OPERATION, "list the Sims by ICCID"),
        [SID, "no readable response came", "list the Sims by ICCID"],
    ),
    (
        errors.QueueTimeout(OPERATION, 600.0),
        [SID, "within 600 s", "nothing was sent", "raise Timeout(queue=...)"],
    ),
    (errors.ConfigurationError("give one, not both"), ["give one, not both"]),
    (errors.Unsupported("KORE documents no Monitor API"), ["no Monitor API"]),
    (errors.ReceiverError("port 8080 is in use"), ["port 8080 is in use"]),
    (errors.SignatureError("wrong signature"), ["wrong signature"]),
    (errors.JournalError("the file is locked"), ["the file is locked"]),
    (errors.JobError("b.csv", ["line 2: no name"]), ["b.csv", "line 2: no name"]),
    (errors.JobStopped("b.csv"), ["b.csv"]),
    (
        errors.NotConfirmed("this deletes SIMs, which is irreversible", 1200, 3),
        ["irreversible", "1,200", "3", "exactly 1200"],
    ),
]
NAMES = [type(error).__name__ for error, _ in EXAMPLES]
each = pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=NAMES)


def every_class(root: type[Exception]) -> set[type[Exception]]:
    return {root}.union(*(every_class(one) for one in root.__subclasses__()))


def test_every_class_has_an_example_here() -> None:
    modules = {errors.__name__, wait_errors.__name__}
    ours = {one for one in every_class(errors.AsyncSimError) if one.__module__ in modules}
    assert {type(error) for error, _ in EXAMPLES} == ours


@pytest.mark.parametrize(("error", "said"), EXAMPLES, ids=NAMES)
def test_an_error_says_which_sim_what_happened_and_what_to_do(
    error: errors.AsyncSimError, said: list[str]
) -> None:
    for part in said:
        assert part in str(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectionFailed(OPERATION, "connection lost"),
        errors.ServerError(504, asked=OPERATION),
        errors.Conflict(409, 33010, "updating", asked=OPERATION),
        errors.DecodeError(f"Sim {SID}", "not JSON"),
        errors.WrongResource(SID, OTHER),
    ],
)
def test_an_error_of_a_change_with_unknown_outcome_says_so_and_how_to_find_out(
    error: errors.AsyncSimError,
) -> None:
    assert "unknown" not in str(error)
    error.outcome_unknown = True
    assert SID in str(error)
    assert "outcome of the change is unknown, it may have been carried out" in str(error)
    assert "await_transition()" in str(error)
    assert "send" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@each
def test_a_pickled_error_keeps_all_of_its_parts(error: errors.AsyncSimError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert vars(copied) == vars(error)
    assert str(copied) == str(error)


@each
def test_an_error_can_be_copied(error: errors.AsyncSimError) -> None:
    assert str(copy.copy(error)) == str(error)


@each
def test_a_repr_contains_the_text(error: errors.AsyncSimError) -> None:
    assert repr(error) == f"{type(error).__name__}({str(error)!r})"


@pytest.mark.parametrize(
    "kind",
    [
        errors.RequestTimeout,
        errors.TransitionTimeout,
        errors.QueueTimeout,
        wait_errors.PerhapsNeverSent,
    ],
)
def test_an_expired_deadline_is_also_a_timeout_error(kind: type[Exception]) -> None:
    assert issubclass(kind, TimeoutError)


def test_an_added_note_survives_pickling() -> None:
    error = errors.Unsupported("no")
    error.add_note("row 7")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["row 7"]


def test_the_requested_changes_are_copied() -> None:
    wanted = {"status": "active"}
    error = errors.TransitionFailed(SID, wanted, None)
    wanted["status"] = "ready"
    assert error.requested == {"status": "active"}


def test_the_tree_in_the_docstring_is_correct() -> None:
    drawn = errors.__doc__ or ""
    for kind in every_class(errors.AsyncSimError):
        if kind.__module__ in {errors.__name__, wait_errors.__name__}:
            assert kind.__name__ in drawn
