"""Secrets of several clients and of the receiver, across rotations and restarts."""

import asyncio

import pytest

from asyncsim.callbacks import Callback, CallbackReceiver
from asyncsim.callbacks.receiver import Registration
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.clock import ManualClock
from asyncsim.errors import ConfigurationError, ReceiverError
from asyncsim.vendors import KORE, TWILIO
from tests.callbacks import senders
from tests.callbacks.conftest import listen, register
from tests.callbacks.senders import SIM, plain

URL = "https://example.com/hooks"


def register_account(receiver: CallbackReceiver, account: str, *secrets: str) -> Registration:
    """A Twilio client of one account; without secrets it logs in with an API key."""
    return receiver.register(
        TWILIO,
        account=account,
        signing_secrets=secrets,
        ticket_secrets=[derive_ticket_secret(account)],
    )


def test_two_accounts_of_a_vendor_share_a_receiver(receiver: CallbackReceiver) -> None:
    registrations = {
        name: register_account(receiver, name, f"token of {name}") for name in ("one", "two")
    }
    for name, registration in registrations.items():
        url, _ = registration.issue_url("supersim", f"sim of {name}")
        assert senders.twilio(url, secret=f"token of {name}").received_by(receiver) == 204
        assert senders.twilio(url, secret="token of three").received_by(receiver) == 403
        assert [
            one.signed for one in registration.take_unclaimed("supersim", f"sim of {name}")
        ] == [True]


def test_an_account_with_an_api_key_gets_unconfirmed_callbacks_next_to_another_account(
    receiver: CallbackReceiver,
) -> None:
    register_account(receiver, "one", "token of one")
    registration = register_account(receiver, "two")
    url, _ = registration.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="token of two").received_by(receiver) == 204
    assert senders.twilio(url, secret="token of one").received_by(receiver) == 204
    assert [one.signed for one in registration.take_unclaimed("supersim", SIM)] == [False, False]
    registration.close()


@pytest.mark.parametrize("ticket_secrets", [[], ["the receiver's"]])
def test_the_secret_of_one_account_does_not_verify_tickets_of_another(
    clock: ManualClock, ticket_secrets: list[str]
) -> None:
    receiver = CallbackReceiver(URL, ticket_secrets=ticket_secrets, clock=clock)
    one = register_account(receiver, "one", "token of one")
    register_account(receiver, "two", "token of two")
    kore = register(receiver, KORE, "secret of one")
    receiver.register(
        KORE, account="two", signing_secrets=["secret of two"], ticket_secrets=[b"two"]
    )
    url, _ = one.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="token of two").received_by(receiver) == 403
    assert senders.twilio(url, secret="token of one").received_by(receiver) == 204
    url, _ = kore.issue_url("supersim", SIM)
    assert senders.kore(url, secret="secret of two").received_by(receiver) == 403
    assert senders.kore(url, secret="secret of one").received_by(receiver) == 204


def test_secrets_given_to_the_receiver_verify_tickets_of_all_accounts_as_unconfirmed(
    clock: ManualClock,
) -> None:
    receiver = CallbackReceiver(
        URL, twilio_auth_tokens=["token"], kore_webhook_secrets=["secret"], clock=clock
    )
    one, two = register_account(receiver, "one", "token of one"), register_account(receiver, "two")
    kore = register(receiver, KORE, "secret of kore")
    for registration in (one, two):
        url, _ = registration.issue_url("supersim", SIM)
        assert senders.twilio(url, secret="token").received_by(receiver) == 204
        assert [callback.signed for callback in registration.take_unclaimed("supersim", SIM)] == [
            False
        ]
    url, _ = kore.issue_url("supersim", SIM)
    assert senders.kore(url, secret="secret").received_by(receiver) == 204
    assert [callback.signed for callback in kore.take_unclaimed("supersim", SIM)] == [False]
    assert receiver.counts.unconfirmed == 3


def test_a_receiver_with_signing_secrets_rejects_unsigned_callbacks(clock: ManualClock) -> None:
    receiver = CallbackReceiver(URL, twilio_auth_tokens=["token"], clock=clock)
    registration = register_account(receiver, "api key")
    url, _ = registration.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="token").received_by(receiver) == 204
    assert senders.twilio(url, secret="other").received_by(receiver) == 403
    assert plain(senders.twilio(url)).received_by(receiver) == 403


def test_during_a_rotation_old_and_new_signing_secrets_verify(clock: ManualClock) -> None:
    receiver = CallbackReceiver(
        URL, kore_webhook_secrets=["new"], twilio_auth_tokens=["new"], clock=clock
    )
    kore = register(receiver, KORE, "old")
    twilio = register(receiver, TWILIO, "old")
    for secret, status in (("new", 204), ("old", 204), ("older", 403)):
        url, _ = kore.issue_url("supersim", SIM)
        assert senders.kore(url, secret=secret).received_by(receiver) == status
        url, _ = twilio.issue_url("supersim", SIM)
        assert senders.twilio(url, secret=secret).received_by(receiver) == status


def test_tickets_of_an_older_ticket_secret_stay_valid_while_it_is_listed(
    clock: ManualClock,
) -> None:
    before = CallbackReceiver(URL, ticket_secrets=["old"], clock=clock)
    sent = senders.kore(register(before, KORE).issue_url("supersim", SIM)[0])
    for listed, status in ((["new", "old"], 204), (["new"], 403)):
        after = CallbackReceiver(URL, ticket_secrets=listed, clock=clock)
        register(after, KORE)
        assert sent.received_by(after) == status


def test_the_receivers_first_ticket_secret_signs_and_the_clients_own_still_verifies(
    clock: ManualClock,
) -> None:
    plain_receiver = CallbackReceiver(URL, clock=clock)
    early = senders.kore(register(plain_receiver, KORE).issue_url("supersim", SIM)[0])
    receiver = CallbackReceiver(URL, ticket_secrets=["first", "second"], clock=clock)
    late = senders.kore(register(receiver, KORE).issue_url("supersim", SIM)[0])
    assert early.received_by(receiver) == 204
    assert late.received_by(receiver) == 204
    only_first = CallbackReceiver(URL, ticket_secrets=["first"], clock=clock)
    assert late.received_by(only_first) == 204  # unconfirmed: no client gave a signing secret


def test_a_restarted_process_recognises_old_tickets_without_a_table(
    receiver: CallbackReceiver, kore: Registration, clock: ManualClock
) -> None:
    url, nonce = kore.issue_url("supersim", SIM)
    restarted = CallbackReceiver(URL, clock=clock)
    registration = register(restarted, KORE)
    assert senders.kore(url).received_by(restarted) == 204
    [callback] = registration.take_unclaimed("supersim", SIM)
    assert (callback.nonce, callback.signed) == (nonce, True)


def test_tickets_of_another_credential_are_rejected(
    receiver: CallbackReceiver, clock: ManualClock
) -> None:
    register(receiver, TWILIO)
    other = CallbackReceiver(URL, clock=clock)
    url, _ = register_account(other, "another account", "auth-token").issue_url("supersim", SIM)
    assert senders.twilio(url).received_by(receiver) == 403


def test_a_closed_registration_gets_no_callbacks_and_its_secrets_are_removed(
    receiver: CallbackReceiver, delivered: list[Callback]
) -> None:
    registration = listen(register(receiver, TWILIO), delivered)
    staying = register_account(receiver, "staying", "other token")
    url, _ = registration.issue_url("supersim", SIM)
    registration.close()
    registration.close()
    assert senders.twilio(url).received_by(receiver) == 403
    url, _ = staying.issue_url("supersim", SIM)
    assert senders.twilio(url).received_by(receiver) == 403
    assert senders.twilio(url, secret="other token").received_by(receiver) == 204
    assert delivered == []


@pytest.mark.parametrize("secrets", ["one text", [""], [None], b"bytes"])
def test_secrets_that_would_accept_any_callback_are_rejected(
    receiver: CallbackReceiver, secrets: list[str]
) -> None:
    for keyword in ("ticket_secrets", "twilio_auth_tokens", "kore_webhook_secrets"):
        with pytest.raises(ConfigurationError, match=keyword):
            CallbackReceiver(URL, **{keyword: secrets})  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigurationError, match="signing_secrets"):
        receiver.register(KORE, account="one", signing_secrets=secrets, ticket_secrets=[b"t"])
    for unusable in ([], [b""]):
        with pytest.raises(ConfigurationError, match="ticket_secrets"):
            receiver.register(KORE, account="one", signing_secrets=[], ticket_secrets=unusable)


def test_a_ticket_needs_the_public_url() -> None:
    registration = register(CallbackReceiver(), KORE)
    with pytest.raises(ReceiverError, match="public_url"):
        registration.issue_url("supersim", SIM)


def test_after_a_rotation_callbacks_signed_with_the_former_secret_are_accepted_for_an_hour(
    clock: ManualClock,
) -> None:
    receiver = CallbackReceiver(URL, clock=clock)
    registration = register_account(receiver, "one", "old")
    tickets = [derive_ticket_secret("one")]
    url, _ = registration.issue_url("supersim", SIM)
    registration.rotate(["new"], tickets)

    def statuses() -> list[int]:
        return [
            senders.twilio(url, secret=secret).received_by(receiver)
            for secret in ("old", "new", "newest")
        ]

    async def elapse(minutes: float) -> list[int]:
        await clock.advance(minutes * 60)
        return statuses()

    assert statuses() == [204, 204, 403]
    assert asyncio.run(elapse(30)) == [204, 204, 403]
    registration.rotate(["newest"], tickets)  # does not prolong the hour of the first
    assert asyncio.run(elapse(29)) == [204, 204, 204]
    assert asyncio.run(elapse(2)) == [403, 204, 204]
    registration.rotate(["new"], tickets)  # back: current again
    assert asyncio.run(elapse(59)) == [403, 204, 204]
    assert asyncio.run(elapse(2)) == [403, 204, 403]
    registration.rotate([], tickets)
    registration.close()
    assert clock.next_timer is None


def test_tickets_of_a_rotated_ticket_secret_verify_as_long_as_it_is_listed(
    clock: ManualClock,
) -> None:
    receiver = CallbackReceiver(URL, clock=clock)
    registration = register_account(receiver, "one", "token")
    url, _ = registration.issue_url("supersim", SIM)
    registration.rotate(["token"], [b"new", derive_ticket_secret("one")])
    assert senders.twilio(url, secret="token").received_by(receiver) == 204
    [callback] = registration.take_unclaimed("supersim", SIM)
    assert callback.signed, "the account of a ticket does not depend on its credentials"
    registration.rotate(["token"], [b"new"])
    assert senders.twilio(url, secret="token").received_by(receiver) == 403
