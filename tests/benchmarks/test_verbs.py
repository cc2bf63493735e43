from __future__ import annotations

import pytest

from benchmarks.peers.verbs import WrongResponse, send
from benchmarks.stub.responses import sid


async def test_each_sid_is_requested_once_by_the_next_free_worker() -> None:
    requested: list[str] = []

    async def right(one: str) -> str:
        requested.append(one)
        return one

    await send(right, 10, 3)
    assert requested == [sid(number) for number in range(10)]


async def test_a_response_for_another_sid_is_an_error() -> None:
    async def wrong(one: str) -> str:
        return sid(5)

    with pytest.RaisesGroup(WrongResponse, WrongResponse):
        await send(wrong, 2, 2)
