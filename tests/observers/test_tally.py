from __future__ import annotations

from typing import get_args

import pytest
from msgspec import structs

from asyncsim import events
from asyncsim.observers import Tally

FINISHED = events.RequestFinished(
    method="POST", product="supersim", path="/v1/Sims/HS1", status=202, seconds=0.1, attempt=1
)
RETRIED = events.RequestRetried(
    method="POST", path="/v1/Sims/HS1", attempt=1, delay=0.5, reason="429 Too Many Requests"
)
TOKEN_MINTED = events.TokenMinted(generation=1, expires_in=3600.0)
FOREIGN_PAGE = events.ForeignPage(
    origin="https://elsewhere.example", expected="https://supersim.twilio.com"
)
CALLBACK = events.CallbackReceived(
    vendor="twilio", product="supersim", name="HS1", status="active", signed=True
)
REJECTED = events.CallbackRefused(status=403, reason="wrong signature")
SETTLED = events.WaitSettled(
    product="supersim", name="HS1", settled_by="callback", seconds=1.0, requests=1
)
SWEPT = events.SweepFinished(product="supersim", pages=3, rows=2500, settled=10, walk=False)
STOPPED = events.SweepingStopped(product="supersim", reason="the filter was rejected")
ROW_MOVED = events.RowMoved(row=1, name="HS1", sid="HS1", state="sending")
EXAMPLES: tuple[events.Event, ...] = (
    events.CallStarted(vendor="twilio", product="supersim", call="sims.update", id=1),
    events.CallEnded(vendor="twilio", product="supersim", call="sims.update", id=1, seconds=1.0),
    events.RequestStarted(
        vendor="twilio",
        product="supersim",
        operation="POST /v1/Sims/{sid}",
        method="POST",
        path="/v1/Sims/HS1",
        host="supersim.twilio.com",
        port=443,
        attempt=1,
        request=1,
    ),
    FINISHED,
    RETRIED,
    events.LimitChanged(limit=9.5, in_flight=10),
    TOKEN_MINTED,
    FOREIGN_PAGE,
    CALLBACK,
    REJECTED,
    events.WaitStarted(vendor="twilio", product="supersim", resource="sims", name="HS1", wait=1),
    SETTLED,
    events.WaitAbandoned(
        vendor="twilio", product="supersim", resource="sims", name="HS1", seconds=1.0, wait=1
    ),
    SWEPT,
    STOPPED,
    events.JobProgressed(phase="planning", done=10, total=None),
    events.JobPlanned(rows=10, verdicts={"will change": 10}, requests=1),
    events.ChunkTaken(job="batch.csv", chunk=1),
    events.ChunkEnded(job="batch.csv", chunk=1, seconds=2.5),
    ROW_MOVED,
    events.JobEnded(states={"done": 10}, seconds=1.0),
    events.UnknownStatus(product="supersim", name="HS1", status="hibernating"),
)


def tallied(*observed: events.Event) -> Tally:
    tally = Tally()
    for event in observed:
        tally(event)
    return tally


def test_every_event_class_has_an_example() -> None:
    assert {type(event) for event in EXAMPLES} == set(get_args(events.Event))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_can_be_counted(event: events.Event) -> None:
    tallied(event)


def test_requests_are_counted_by_method_and_status() -> None:
    tally = tallied(
        FINISHED,
        structs.replace(FINISHED, status=429),
        structs.replace(FINISHED, status=None, error="RequestTimeout"),
        structs.replace(FINISHED, method="GET", status=200),
    )
    assert tally.requests == 4
    assert tally.limited == 1
    assert tally.statuses == {202: 1, 429: 1, None: 1, 200: 1}
    assert tally.methods == {"POST": 3, "GET": 1}


def test_waits_are_counted_by_what_settled_them() -> None:
    tally = tallied(
        SETTLED,
        SETTLED,
        structs.replace(SETTLED, settled_by="sweep"),
        structs.replace(SETTLED, settled_by=None, error="TransitionTimeout"),
    )
    assert tally.settled == {"callback": 2, "sweep": 1}
    assert tally.failed == {"TransitionTimeout": 1}


def test_sweeps_and_list_scans_are_counted_separately() -> None:
    tally = tallied(SWEPT, structs.replace(SWEPT, walk=True, pages=5))
    assert (tally.sweeps, tally.walks, tally.pages) == (1, 1, 8)


def test_callbacks_are_counted_as_signed_unconfirmed_duplicate_or_rejected() -> None:
    tally = tallied(
        CALLBACK,
        structs.replace(CALLBACK, signed=False),
        structs.replace(CALLBACK, duplicate=True),
        REJECTED,
    )
    assert tally.callbacks == {"signed": 1, "hint": 1, "duplicate": 1, "refused": 1}


def test_retries_are_counted_by_reason() -> None:
    tally = tallied(RETRIED, RETRIED)
    assert tally.retried == 2
    assert tally.retries == {"429 Too Many Requests": 2}


def test_bulk_rows_are_counted_by_new_state() -> None:
    tally = tallied(
        ROW_MOVED, structs.replace(ROW_MOVED, state="done"), structs.replace(ROW_MOVED, row=2)
    )
    assert tally.rows == {"sending": 2, "done": 1}


def test_rare_events_are_counted_by_name() -> None:
    tally = tallied(FOREIGN_PAGE, STOPPED)
    assert tally.warnings == {"ForeignPage": 1, "SweepingStopped": 1}
    assert tallied(TOKEN_MINTED).tokens == 1
