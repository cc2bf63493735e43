from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from asyncsim.core.retry import Repeat, Verdict, judge_silence, judge_status, retry_after

SAFE, CHECK, NEVER = Repeat.SAFE, Repeat.CHECK, Repeat.NEVER


@pytest.mark.parametrize("repeat", Repeat)
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DONE),
        (201, Verdict.DONE),
        (202, Verdict.DONE),
        (204, Verdict.DONE),
        (301, Verdict.REFUSED),
        (307, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (401, Verdict.LOG_IN),
        (403, Verdict.LOG_IN),
        (404, Verdict.REFUSED),
        (409, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (429, Verdict.THROTTLED),
    ],
)
def test_these_answers_mean_the_same_whatever_is_repeated(
    status: int, verdict: Verdict, repeat: Repeat
) -> None:
    assert judge_status(status, repeat) is verdict


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
@pytest.mark.parametrize(
    ("repeat", "verdict"),
    [(SAFE, Verdict.AGAIN), (CHECK, Verdict.AMBIGUOUS), (NEVER, Verdict.UNKNOWN)],
)
def test_after_a_failure_of_the_server_it_depends_on_what_is_repeated(
    status: int, repeat: Repeat, verdict: Verdict
) -> None:
    assert judge_status(status, repeat) is verdict


@pytest.mark.parametrize(
    ("repeat", "verdict"),
    [(SAFE, Verdict.AGAIN), (CHECK, Verdict.AMBIGUOUS), (NEVER, Verdict.UNKNOWN)],
)
def test_silence_after_sending_is_as_a_failure_of_the_server(
    repeat: Repeat, verdict: Verdict
) -> None:
    assert judge_silence(repeat, sent=True) is verdict


@pytest.mark.parametrize("repeat", Repeat)
def test_what_was_never_sent_is_sent_again_whatever_it_is(repeat: Repeat) -> None:
    assert judge_silence(repeat, sent=False) is Verdict.AGAIN


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("0", 0.0),
        ("3", 3.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("-inf", 0.0),
        ("inf", 300.0),
        ("1e9", 300.0),
        ("86400", 300.0),
    ],
)
def test_odd_retry_after_headers_neither_fail_nor_stop_the_client_for_good(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header) == seconds


@given(st.text())
def test_no_retry_after_header_can_raise(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds <= 300
