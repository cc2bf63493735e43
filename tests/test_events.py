from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct

from asyncsim import events

EVENT = events.TokenMinted(generation=1, expires_in=3600.0)


def test_all_observers_are_notified_in_order() -> None:
    notified: list[str] = []
    events.notify([lambda _: notified.append("first"), lambda _: notified.append("second")], EVENT)
    assert notified == ["first", "second"]


def test_an_observer_that_raises_is_logged_and_the_next_is_still_notified(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notified: list[events.Event] = []

    def broken(event: events.Event) -> None:
        raise RuntimeError("my own mistake")

    with caplog.at_level(logging.ERROR, logger="asyncsim"):
        events.notify([broken, notified.append], EVENT)
    assert notified == [EVENT]
    assert "raised on TokenMinted" in caplog.text
    assert "my own mistake" in caplog.text


def test_a_cancellation_is_not_swallowed() -> None:
    def cancelled(event: events.Event) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        events.notify([cancelled], EVENT)


def test_every_event_is_frozen_and_keyword_only() -> None:
    for kind in get_args(events.Event):
        assert kind.__struct_config__.frozen, kind
        with pytest.raises(TypeError, match="positional"):
            kind("twilio")
    with pytest.raises(AttributeError, match="immutable"):
        EVENT.generation = 2  # type: ignore[misc]  # that it cannot be is the point


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Struct) and value is not Struct


def test_every_event_class_derives_from_event() -> None:
    declared = {one for one in vars(events).values() if _is_event(one)}
    assert declared == set(get_args(events.Event))


def test_every_event_is_documented_with_its_fields() -> None:
    page = Path(__file__).parent.parent / "docs" / "observability.md"
    row = re.compile(r"^\| `([A-Z]\w+)` \| [^|]+ \| ((?:`\w+`(?:, )?)+) \|$", re.MULTILINE)
    rows = row.findall(page.read_text("utf-8"))
    documented = {name: re.findall(r"`(\w+)`", fields) for name, fields in rows}
    assert documented == {
        kind.__name__: list(kind.__struct_fields__) for kind in get_args(events.Event)
    }
