from __future__ import annotations

import pytest

from benchmarks.checking import WrongAnswer, keeping
from benchmarks.stub.answers import sid


async def test_each_sid_is_asked_for_once_by_whoever_is_free() -> None:
    asked: list[str] = []

    async def right(one: str) -> str:
        asked.append(one)
        return one

    await keeping(right, 3)(10)
    assert asked == [sid(number) for number in range(10)]


async def test_an_answer_that_was_meant_for_another_ends_the_turn() -> None:
    async def wrong(one: str) -> str:
        return sid(5)

    with pytest.RaisesGroup(WrongAnswer, WrongAnswer):
        await keeping(wrong, 2)(2)
