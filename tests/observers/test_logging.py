from __future__ import annotations

import json
import logging

import pytest

from asyncsim import events
from asyncsim.observers import Log, log
from asyncsim.vendors import Product


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (events.CallbackRefused(status=403, reason="wrong signature"), logging.WARNING),
        (events.LimitChanged(limit=9.5, in_flight=10), logging.INFO),
        (
            events.SweepFinished(product="supersim", pages=1, rows=3, settled=0, walk=False),
            logging.DEBUG,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rare_events_are_logged_at_a_higher_level(
    event: events.Event, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="asyncsim")
    log(event)
    (record,) = caplog.records
    assert record.name == "asyncsim"
    assert record.levelno == level
    assert type(event).__name__ in record.getMessage()


def test_a_log_line_contains_the_fields_of_its_event(caplog: pytest.LogCaptureFixture) -> None:
    log(events.CallbackRefused(status=403, reason="wrong signature"))
    assert caplog.messages == ["CallbackRefused status=403 reason='wrong signature'"]


FINISHED = events.RequestFinished(
    method="GET",
    product=Product.SUPERSIM,
    path="/v1/Sims/HS" + "1" * 32,
    status=200,
    seconds=0.25,
    attempt=1,
    vendor="twilio",
    operation="GET /v1/Sims/{sid}",
)


def test_a_record_has_the_fields_as_attributes_that_json_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="asyncsim")
    log(FINISHED)
    log(events.JobPlanned(rows=2, verdicts={"will change": 2}, requests=1))
    finished, planned = caplog.records
    fields = {key: one for key, one in vars(finished).items() if key.startswith("asyncsim_")}
    assert json.loads(json.dumps(fields)) == {
        "asyncsim_event": "RequestFinished",
        "asyncsim_method": "GET",
        "asyncsim_product": "supersim",
        "asyncsim_path": "/v1/Sims/HS" + "1" * 32,
        "asyncsim_status": 200,
        "asyncsim_seconds": 0.25,
        "asyncsim_attempt": 1,
        "asyncsim_error": None,
        "asyncsim_error_type": None,
        "asyncsim_vendor": "twilio",
        "asyncsim_operation": "GET /v1/Sims/{sid}",
        "asyncsim_limit": None,
        "asyncsim_in_flight": None,
        "asyncsim_request": 0,
    }
    assert vars(planned)["asyncsim_verdicts"] == {"will change": 2}
    assert "product='supersim'" in finished.getMessage()


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ("the proxy said: Bearer abcd.efgh-1234", "the proxy said: Bearer ***"),
        ("authorization: Basic QUMxOmFiYw==", "authorization: Basic ***"),
        (
            "cannot connect to http://user:pa55@proxy:1 (no)",
            "cannot connect to http://***@proxy:1 (no)",
        ),
        ("a basic problem at https://host/path", "a basic problem at https://host/path"),
    ],
)
def test_credentials_in_quoted_texts_are_hidden(
    quoted: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    log(events.CallbackRefused(status=403, reason=quoted))
    (record,) = caplog.records
    assert vars(record)["asyncsim_reason"] == shown
    assert record.getMessage() == f"CallbackRefused status=403 reason={shown!r}"


def test_identifiers_can_be_hidden(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="asyncsim")
    hiding = Log(identifiers=False)
    hiding(FINISHED)
    hiding(
        events.RowMoved(
            row=1,
            name="pump-7",
            sid="HS" + "2" * 32,
            state="failed",
            message=f"update Sim HS{'2' * 32}: no SIM with ICCID 8988307000000000001",
        )
    )
    assert "HS1" not in caplog.text
    assert "HS2" not in caplog.text
    assert "8988" not in caplog.text
    assert "pump-7" not in caplog.text
    assert "message='update Sim ***: no SIM with ICCID ***'" in caplog.text


def test_nothing_is_logged_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="asyncsim")
    log(events.LimitChanged(limit=9.5, in_flight=10))
    assert not caplog.records
