from collections.abc import Callable

import pytest

from asyncsim.callbacks import Callback, CallbackReceiver
from asyncsim.callbacks.receiver import Registration
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.clock import ManualClock
from asyncsim.events import Event
from asyncsim.vendors import KORE, TWILIO, Vendor

SECRETS = {"twilio": "auth-token", "kore": "webhook-secret"}

Register = Callable[..., Registration]


def register(receiver: CallbackReceiver, vendor: Vendor, *secrets: str) -> Registration:
    """Register at the receiver, as a client does on entry."""
    return receiver.register(
        vendor,
        signing_secrets=secrets or [SECRETS[vendor.name]],
        account=f"account of {vendor.name}",
        ticket_secrets=[derive_ticket_secret(f"credential of {vendor.name}")],
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
def delivered() -> list[Callback]:
    return []


def listen(registration: Registration, delivered: list[Callback]) -> Registration:
    """Collect every Super SIM callback of this registration, as a pending wait would."""

    def take(callback: Callback) -> bool:
        delivered.append(callback)
        return True

    registration.subscribe("supersim", take)
    return registration


@pytest.fixture
def twilio(receiver: CallbackReceiver, delivered: list[Callback]) -> Registration:
    return listen(register(receiver, TWILIO), delivered)


@pytest.fixture
def kore(receiver: CallbackReceiver, delivered: list[Callback]) -> Registration:
    return listen(register(receiver, KORE), delivered)
