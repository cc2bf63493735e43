from __future__ import annotations

import logging

import pytest

from asyncsim import events
from asyncsim.observers import log


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


def test_nothing_is_logged_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="asyncsim")
    log(events.LimitChanged(limit=9.5, in_flight=10))
    assert not caplog.records
