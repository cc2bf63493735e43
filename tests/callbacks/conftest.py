from collections.abc import Callable

import pytest

from asyncsim.callbacks import Callback, CallbackReceiver
from asyncsim.callbacks.desk import Desk
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.clock import ManualClock
from asyncsim.events import Event
from asyncsim.vendors import KORE, TWILIO, Vendor

SECRETS = {"twilio": "auth-token", "kore": "webhook-secret"}

Register = Callable[..., Desk]


def register(receiver: CallbackReceiver, vendor: Vendor, *secrets: str) -> Desk:
    """What a client does on entering."""
    return receiver.register(
        vendor,
        signing_secrets=secrets or [SECRETS[vendor.name]],
        ticket_secret=derive_ticket_secret(f"credential of {vendor.name}"),
    )


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def receiver(clock: ManualClock, events: list[Event]) -> CallbackReceiver:
    return CallbackReceiver(
        "https://example.com/hooks", clock=clock, observers=[events.append], max_body=1000
    )


@pytest.fixture
def told() -> list[Callback]:
    return []


def listen(desk: Desk, told: list[Callback]) -> Desk:
    """Let a wait of this desk take every Super SIM callback."""

    def take(callback: Callback) -> bool:
        told.append(callback)
        return True

    desk.subscribe("supersim", take)
    return desk


@pytest.fixture
def twilio_desk(receiver: CallbackReceiver, told: list[Callback]) -> Desk:
    return listen(register(receiver, TWILIO), told)


@pytest.fixture
def kore_desk(receiver: CallbackReceiver, told: list[Callback]) -> Desk:
    return listen(register(receiver, KORE), told)
