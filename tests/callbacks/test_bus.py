import logging

import pytest
from attrs import evolve

from asyncsim.callbacks.bus import Callback, CallbackBus, Subscriber
from asyncsim.clock import ManualClock


def callback(name: str = "HS1", *, status: str = "active", **more: str) -> Callback:
    return Callback(
        vendor=more.get("vendor", "kore"),
        product=more.get("product", "supersim"),
        name=name,
        nonce=more.get("nonce", "n"),
        signed=True,
        method="POST",
        status=status,
    )


def recorder(notified: list[str], label: str = "notified") -> Subscriber:
    def take(_: Callback) -> bool:
        notified.append(label)
        return True

    return take


@pytest.fixture
def bus(clock: ManualClock) -> CallbackBus:
    return CallbackBus(clock)


def test_a_callback_goes_to_the_handlers_of_its_vendor_and_product_only(bus: CallbackBus) -> None:
    notified: list[str] = []
    bus.subscribe("kore", "supersim", recorder(notified, "kore supersim"))
    bus.subscribe("kore", "wireless", recorder(notified, "kore wireless"))
    bus.subscribe("twilio", "supersim", recorder(notified, "twilio supersim"))
    assert bus.publish(callback())
    assert notified == ["kore supersim"]


def test_every_handler_is_notified_even_when_the_first_takes_the_callback(bus: CallbackBus) -> None:
    notified: list[str] = []
    bus.subscribe("kore", "supersim", lambda _: True)
    bus.subscribe("kore", "supersim", recorder(notified))
    bus.publish(callback())
    assert notified == ["notified"]
    assert bus.take_unclaimed("kore", "supersim", "HS1") == []


def test_a_callback_that_no_handler_takes_is_kept_once_for_a_later_wait(bus: CallbackBus) -> None:
    bus.subscribe("kore", "supersim", lambda _: False)
    assert not bus.publish(callback(status="ready"))
    assert not bus.publish(callback(status="active"))
    kept = bus.take_unclaimed("kore", "supersim", "HS1")
    assert [one.status for one in kept] == ["ready", "active"]
    assert bus.take_unclaimed("kore", "supersim", "HS1") == []


async def test_kept_callbacks_expire(bus: CallbackBus, clock: ManualClock) -> None:
    bus.publish(callback())
    await clock.advance(299)
    bus.publish(callback(status="late"))
    await clock.advance(1)
    assert [one.status for one in bus.take_unclaimed("kore", "supersim", "HS1")] == ["late"]


async def test_expired_callbacks_are_dropped_when_the_next_one_is_kept(
    bus: CallbackBus, clock: ManualClock
) -> None:
    bus.publish(callback("HS1"))
    bus.publish(callback("HS2"))
    await clock.advance(300)
    bus.publish(callback("HS3"))
    assert [address[2] for address in bus._unclaimed] == ["HS3"]


def test_kept_callbacks_are_limited_per_name_and_in_total(clock: ManualClock) -> None:
    bus = CallbackBus(clock, limit=3)
    for number in range(5):
        bus.publish(callback(f"HS{number}"))
    assert [address[2] for address in bus._unclaimed] == ["HS2", "HS3", "HS4"]
    for number in range(10):
        bus.publish(callback("HS4", status=str(number)))
    assert [one.status for one in bus.take_unclaimed("kore", "supersim", "HS4")] == [
        "6",
        "7",
        "8",
        "9",
    ]


def test_a_handler_that_raises_is_logged_and_the_callback_is_kept(
    bus: CallbackBus, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Callback) -> bool:
        raise RuntimeError("broken")

    bus.subscribe("kore", "supersim", broken)
    with caplog.at_level(logging.ERROR):
        assert not bus.publish(callback(nonce="secret-nonce"))
    assert "broken" in caplog.text
    assert "secret-nonce" not in caplog.text
    assert len(bus.take_unclaimed("kore", "supersim", "HS1")) == 1


def test_an_unsubscribed_handler_is_not_notified(bus: CallbackBus) -> None:
    unsubscribe = bus.subscribe("kore", "supersim", lambda _: True)
    unsubscribe()
    unsubscribe()
    assert not bus.publish(callback())


def test_a_handler_may_unsubscribe_while_it_is_notified(bus: CallbackBus) -> None:
    notified: list[str] = []

    def once(_: Callback) -> bool:
        unsubscribe()
        notified.append("once")
        return True

    unsubscribe = bus.subscribe("kore", "supersim", once)
    bus.subscribe("kore", "supersim", recorder(notified, "other"))
    bus.publish(callback())
    assert notified == ["once", "other"]


def test_a_token_seen_before_marks_a_duplicate(bus: CallbackBus) -> None:
    assert not bus.is_duplicate(callback(), "token")
    assert bus.is_duplicate(callback(), "token")
    assert not bus.is_duplicate(callback(), "other token")
    assert not bus.is_duplicate(callback(nonce="other"), "token")


def test_an_unsigned_callback_never_makes_a_signed_one_a_duplicate(bus: CallbackBus) -> None:
    assert not bus.is_duplicate(evolve(callback(), signed=False), "token")
    assert not bus.is_duplicate(callback(), "token")


def test_remembered_tokens_are_limited_and_the_oldest_is_dropped_first(clock: ManualClock) -> None:
    bus = CallbackBus(clock, limit=2)
    for token in ("a", "b", "a", "c"):
        bus.is_duplicate(callback(), token)
    assert bus.is_duplicate(callback(), "a")
    assert not bus.is_duplicate(callback(), "b")
