"""Output to a reader that stalls, tested in the writing process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest

from asyncsim.cli import streams
from asyncsim.cli.streams import Outlet

_ROOM = 8


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The two ends of a full pipe, whose reader stalls."""
    monkeypatch.setattr(streams, "_ROOM", _ROOM)
    monkeypatch.setattr(streams, "_MOMENT", 0.05)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 1024)
    yield reading, writing
    os.close(reading)


def written(reading: int) -> list[int]:
    """Resume reading, and return the numbers that arrive."""
    text = b""
    while chunk := os.read(reading, 65536):
        text += chunk
    return [int(number) for number in re.findall(rb"<(\d+)>", text)]


@pytest.mark.parametrize("blocking", [True, False])
def test_of_messages_to_a_stalled_reader_the_latest_arrive(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reading, writing = pipe
    os.set_blocking(writing, blocking)
    with open(writing, "w", closefd=False) as stream:
        outlet = Outlet(stream)
        for number in range(100):
            outlet.write(f"<{number}>")
            outlet.flush()
        os.read(reading, 65536)
        outlet.close()
    os.close(writing)
    numbers = written(reading)
    assert numbers[-_ROOM:] == list(range(100 - _ROOM, 100))
    assert len(numbers) < 100
    assert numbers == sorted(numbers)


def test_events_to_a_stalled_reader_have_no_gap(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.05)
    reading, writing = pipe
    os.set_blocking(writing, True)
    with open(writing, "w", closefd=False) as stream:
        outlet = Outlet(stream, whole=True)
        for number in range(100):
            outlet.write(f"<{number}>")
        os.read(reading, 65536)
        outlet.write("<100>")
        outlet.close()
    os.close(writing)
    numbers = written(reading)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) <= _ROOM


def test_a_slow_reader_gets_everything(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, True)
    with open(writing, "w", closefd=False) as stream:
        outlet = Outlet(stream, whole=True)
        for number in range(_ROOM):
            outlet.write(f"<{number}>")
        os.read(reading, 65536)
        for number in range(_ROOM, 100):
            outlet.write(f"<{number}>")
        outlet.close()
    os.close(writing)
    assert written(reading) == list(range(100))
