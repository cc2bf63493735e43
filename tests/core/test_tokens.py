from __future__ import annotations

import pytest

from asyncsim.core.tokens import Token, helps_to_renew


def token(*, generation: int = 1, life: float = 3600.0, worked: bool = True) -> Token:
    return Token("s3cret", generation, 0.0, life, worked)


@pytest.mark.parametrize(
    ("life", "due_at"), [(3600.0, 3540.0), (86400.0, 86340.0), (300.0, 270.0), (1.0, 0.9)]
)
def test_a_token_is_due_a_minute_or_a_tenth_of_its_life_before_its_end(
    life: float, due_at: float
) -> None:
    assert token(life=life).due_at == pytest.approx(due_at)


def test_a_failed_renewal_is_tried_again_a_little_later() -> None:
    one = token()
    assert one.postpone(3550.0)
    assert one.due_at == 3555.0


def test_a_renewal_is_never_put_off_beyond_the_end() -> None:
    one = token()
    assert one.postpone(3599.0)
    assert one.due_at == 3600.0
    assert not one.postpone(3600.0)


def test_a_token_that_never_worked_is_final_for_longer() -> None:
    one = token(worked=False)
    assert not helps_to_renew(one, 1, 0.0)
    assert not helps_to_renew(one, 1, 299.0)
    assert helps_to_renew(one, 1, 300.0)


def test_a_token_that_worked_helps_again_once_it_is_not_fresh() -> None:
    one = token(worked=True)
    assert not helps_to_renew(one, 1, 9.9)
    assert helps_to_renew(one, 1, 10.0)


def test_a_refusal_of_an_older_generation_is_sent_again_with_the_newer() -> None:
    assert helps_to_renew(token(generation=2, worked=False), 1, 0.0)


def test_a_refusal_while_a_new_token_is_on_its_way_is_sent_again() -> None:
    assert helps_to_renew(None, 1, 0.0)


def test_a_token_never_shows_its_value() -> None:
    assert "s3cret" not in repr(token())
    assert "s3cret" not in str(token())
