from __future__ import annotations

import pytest

from benchmarks.peers.verbs import WrongResponse, send
from benchmarks.stub.responses import sid


async def test_each_sid_is_asked_for_once_by_whoever_is_free() -> None:
    asked: list[str] = []

    async def right(one: str) -> str:
        asked.append(one)
        return one

    await send(right, 10, 3)
    assert asked == [sid(number) for number in range(10)]


async def test_a_response_that_was_meant_for_another_ends_it() -> None:
    async def wrong(one: str) -> str:
        return sid(5)

    with pytest.RaisesGroup(WrongResponse, WrongResponse):
        await send(wrong, 2, 2)
