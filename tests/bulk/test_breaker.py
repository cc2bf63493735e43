"""The circuit breaker: what counts as the same refusal, and what is in a row."""

from __future__ import annotations

import pytest

from asyncsim import errors
from asyncsim.bulk.breaker import CircuitBreaker, what_to_check
from asyncsim.bulk.records import Ending, State
from asyncsim.models.supersim.sims import Sim

DONE = Ending(state=State.DONE)


def refused(code: int = 83007, number: int = 0) -> Ending:
    error = errors.BadRequest(400, code, f"no {number}", asked=f"POST /v1/Sims/HS{number}")
    return Ending(state=State.FAILED, error=error)


def failed(status: str = "new") -> Ending:
    sim = Sim(sid="HS1", status=status)
    error = errors.TransitionFailed("HS1", {"status": "active"}, sim)
    return Ending(state=State.FAILED, error=error)


def test_it_trips_at_equal_refusals_whose_texts_differ() -> None:
    breaker = CircuitBreaker(3)
    assert [breaker.ended(refused(number=n)) for n in range(4)] == [False, False, True, False]


def test_an_accepted_request_or_another_refusal_starts_the_count_again() -> None:
    breaker = CircuitBreaker(3)
    for _ in range(10):
        assert not breaker.ended(refused())
        assert not breaker.ended(refused())
        breaker.accepted()
    for _ in range(10):
        assert not breaker.ended(refused())
        assert not breaker.ended(refused(83011))


def test_sims_that_settle_later_do_not_hide_that_all_new_requests_are_refused() -> None:
    breaker = CircuitBreaker(3)
    tripped = [breaker.ended(one) for _ in range(3) for one in (DONE, refused())]
    assert tripped.count(True) == 1


def test_accepted_changes_that_all_fail_trip_it_although_others_are_being_accepted() -> None:
    breaker = CircuitBreaker(3)
    tripped = []
    for _ in range(3):
        breaker.accepted()
        tripped.append(breaker.ended(failed()))
    assert tripped == [False, False, True]


def test_one_success_between_failed_changes_starts_their_count_again() -> None:
    breaker = CircuitBreaker(2)
    assert not any(breaker.ended(one) for _ in range(5) for one in (failed(), DONE))


@pytest.mark.parametrize(
    "ending",
    [
        Ending(state=State.NO_ANSWER, error=errors.RateLimited(429, 20429)),
        Ending(state=State.NO_ANSWER, error=errors.ServerError(503)),
        Ending(state=State.UNKNOWN, error=errors.OutcomeUnknown("POST", "look")),
        Ending(state=State.FAILED, error=errors.JobError("another row names the same SIM")),
        DONE,
    ],
    ids=lambda ending: str(ending.error and type(ending.error).__name__),
)
def test_what_is_transient_or_not_the_vendors_is_no_refusal(ending: Ending) -> None:
    breaker = CircuitBreaker(1)
    assert not any(breaker.ended(ending) for _ in range(50))


def test_a_transient_error_between_refusals_does_not_hide_them() -> None:
    breaker = CircuitBreaker(2)
    throttled = Ending(state=State.NO_ANSWER, error=errors.RateLimited(429, 20429))
    assert [breaker.ended(one) for one in (refused(), throttled, refused())][-1]


def test_it_can_be_off() -> None:
    breaker = CircuitBreaker(None)
    assert not any(breaker.ended(refused()) for _ in range(100))


def test_it_says_what_to_check() -> None:
    assert "Fleet" in what_to_check(errors.BadRequest(400, 83007))
    assert "rate plan" in what_to_check(errors.BadRequest(400, 33104))
    assert "permissions" in what_to_check(errors.PermissionDenied(403))
    transition = failed().error
    assert transition is not None
    assert "console" in what_to_check(transition)
    assert "support" in what_to_check(errors.BadRequest(400, 99999))
