from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.retry import (
    Idempotency,
    RetryDecision,
    decide_on_status,
    decide_without_response,
    retry_after,
)

SAFE, CHECK_FIRST, UNSAFE = Idempotency.SAFE, Idempotency.CHECK_FIRST, Idempotency.UNSAFE


@pytest.mark.parametrize("idempotency", Idempotency)
@pytest.mark.parametrize(
    ("status", "decision"),
    [
        (200, RetryDecision.DONE),
        (201, RetryDecision.DONE),
        (202, RetryDecision.DONE),
        (204, RetryDecision.DONE),
        (301, RetryDecision.REJECTED),
        (307, RetryDecision.REJECTED),
        (400, RetryDecision.REJECTED),
        (401, RetryDecision.RENEW_LOGIN),
        (403, RetryDecision.RENEW_LOGIN),
        (404, RetryDecision.REJECTED),
        (409, RetryDecision.REJECTED),
        (422, RetryDecision.REJECTED),
        (421, RetryDecision.RETRY),
        (425, RetryDecision.RETRY),
        (429, RetryDecision.THROTTLED),
    ],
)
def test_these_statuses_give_the_same_decision_for_every_idempotency(
    status: int, decision: RetryDecision, idempotency: Idempotency
) -> None:
    assert decide_on_status(status, idempotency) is decision


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 599])
@pytest.mark.parametrize(
    ("idempotency", "decision"),
    [
        (SAFE, RetryDecision.RETRY),
        (CHECK_FIRST, RetryDecision.AMBIGUOUS),
        (UNSAFE, RetryDecision.OUTCOME_UNKNOWN),
    ],
)
def test_after_a_server_error_or_a_408_the_decision_depends_on_the_idempotency(
    status: int, idempotency: Idempotency, decision: RetryDecision
) -> None:
    assert decide_on_status(status, idempotency) is decision


@pytest.mark.parametrize(
    ("idempotency", "decision"),
    [
        (SAFE, RetryDecision.RETRY),
        (CHECK_FIRST, RetryDecision.AMBIGUOUS),
        (UNSAFE, RetryDecision.OUTCOME_UNKNOWN),
    ],
)
def test_no_response_after_sending_is_treated_like_a_server_error(
    idempotency: Idempotency, decision: RetryDecision
) -> None:
    assert decide_without_response(idempotency, sent=True) is decision


@pytest.mark.parametrize("idempotency", Idempotency)
def test_a_request_that_was_never_sent_is_retried_for_every_idempotency(
    idempotency: Idempotency,
) -> None:
    assert decide_without_response(idempotency, sent=False) is RetryDecision.RETRY


NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def now() -> datetime:
    return NOW


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("   ", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("3", 3.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("-inf", 0.0),
        ("1e9", 1e9),
        ("86400", 86400.0),
        ("9" * 400, math.inf),
        ("Wed, 21 Oct 2026 07:28:06 GMT", 6.0),
        ("Wednesday, 21-Oct-26 07:28:06 GMT", 6.0),
        ("Wed Oct 21 07:28:06 2026", 6.0),
        ("Wed, 21 Oct 2026 07:28:06 -0000", 6.0),
        ("Wed, 21 Oct 2026 09:28:06 +0200", 6.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header}, now) == seconds


def test_without_the_header_retry_after_is_none() -> None:
    assert retry_after({}, now) is None


@pytest.mark.parametrize("date", ["Thu, 22 Oct 2026 11:00:00 GMT", "Mon, 01 Jan 2001 11:00:00 GMT"])
def test_a_retry_after_date_is_relative_to_the_servers_date_header(date: str) -> None:
    headers = {"Date": date, "Retry-After": date.replace("11:00:00", "11:00:09")}
    assert retry_after(headers, now) == 9.0


@given(st.text(), st.text())
def test_no_retry_after_header_can_raise(header: str, date: str) -> None:
    seconds = retry_after({"Retry-After": header, "Date": date}, now)
    assert seconds is None or seconds >= 0
