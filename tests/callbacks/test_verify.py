"""Verification without a socket: what is accepted, and what its signature proves."""

import asyncio
import hashlib
import json
from urllib.parse import quote, unquote

import pytest
from attrs import evolve
from twilio.request_validator import RequestValidator

from asyncsim.callbacks import Callback, CallbackReceiver
from asyncsim.callbacks.receiver import Registration
from asyncsim.clock import ManualClock
from asyncsim.core.signatures import kore_signature, twilio_signature
from asyncsim.errors import ReceiverError
from asyncsim.events import CallbackReceived, CallbackRefused, Event
from asyncsim.vendors import KORE, TWILIO
from tests.callbacks import senders
from tests.callbacks.conftest import listen, register
from tests.callbacks.senders import ACTIVE, SIM, plain


def test_a_signed_post_of_either_vendor_tells_all_it_says(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, told: list[Callback]
) -> None:
    twilio_url, nonce = twilio.issue_url("supersim", "my-sim")
    kore_url, _ = kore.issue_url("supersim", SIM)
    assert senders.twilio(twilio_url).received_by(receiver) == 204
    assert senders.kore(kore_url).received_by(receiver) == 204
    first, second = told
    assert (first.vendor, first.product, first.name, first.nonce) == (
        "twilio",
        "supersim",
        "my-sim",
        nonce,
    )
    assert (first.sid, first.status, first.account_sid) == (SIM, "active", ACTIVE["AccountSid"])
    assert (first.signed, first.method, first.params) == (True, "POST", ACTIVE)
    assert (second.vendor, second.name, second.signed) == ("kore", SIM, True)


def test_errors_of_programmable_wireless_are_told(
    receiver: CallbackReceiver, kore: Registration
) -> None:
    failed = {
        "SimSid": "DE" + "0" * 32,
        "SimUniqueName": " my sim ",
        "SimStatus": "ready",
        "ErrorCode": "33105",
        "ErrorMessage": "",
    }
    url, _ = kore.issue_url("wireless", "my-sim")
    assert senders.kore(url, failed).received_by(receiver) == 204
    [callback] = kore.take_unclaimed("wireless", "my-sim")
    assert (callback.error_code, callback.error_message) == (33105, "")
    assert callback.unique_name == " my sim "


@pytest.mark.parametrize("code", ["", "none", "-1", "٣", "9" * 5000])
def test_an_error_code_that_is_no_number_is_left_out(clock: ManualClock, code: str) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    registration = register(receiver, KORE)
    url, _ = registration.issue_url("wireless", "x")
    assert senders.kore(url, {"ErrorCode": code}).received_by(receiver) == 204
    [callback] = registration.take_unclaimed("wireless", "x")
    assert callback.error_code is None
    assert callback.params["ErrorCode"] == code


@pytest.mark.parametrize("name", ["a b", "a/b", "50% off", "é/ü", "日本", "a+b", "x?y#z"])
def test_names_arrive_as_they_were_addressed(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    told: list[Callback],
    name: str,
) -> None:
    assert senders.twilio(twilio.issue_url("supersim", name)[0]).received_by(receiver) == 204
    assert senders.kore(kore.issue_url("supersim", name)[0]).received_by(receiver) == 204
    assert [one.name for one in told] == [name, name]
    assert all(one.signed for one in told)


@pytest.mark.parametrize("name", [SIM, "pump 7", "plant/3", "Zürich", "a+b", "50%", "x;y", "k=v&w"])
def test_a_proxy_that_decodes_the_path_and_encodes_it_anew_breaks_no_signature(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    told: list[Callback],
    name: str,
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        sent = send(registration.issue_url("supersim", name)[0])
        path = sent.url.removeprefix("https://example.com")
        encoded_anew = quote(unquote(path), safe="/~!$&'()*+,;=:@")
        all_encoded = "".join(
            one if one == "/" else f"%{ord(one):02x}" for one in path.removeprefix("/hooks")
        )
        for spelled in (encoded_anew, all_encoded, path + "/", path.replace("-", "%2D")):
            assert sent.received_by(receiver, path=spelled) == 204
    assert [(one.name, one.signed) for one in told] == [(name, True)] * 8


def test_a_signature_over_another_spelling_of_the_path_is_accepted_when_that_came_in(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, told: list[Callback]
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        url = registration.issue_url("supersim", "a b")[0].replace("supersim", "super%73im")
        assert send(url).received_by(receiver) == 204
    assert [one.signed for one in told] == [True, True]


def test_twilios_own_validator_agrees_about_what_is_signed(twilio: Registration) -> None:
    sent = senders.twilio(twilio.issue_url("supersim", "a b/ü")[0])
    signature = sent.headers["X-Twilio-Signature"]
    assert RequestValidator("auth-token").validate(sent.url, ACTIVE, signature)


def test_a_get_from_twilio_is_signed_and_says_that_it_is_a_get(
    receiver: CallbackReceiver, twilio: Registration, told: list[Callback]
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    assert senders.twilio_get(url).received_by(receiver) == 204
    assert (told[0].signed, told[0].method, told[0].status) == (True, "GET", "active")


def test_a_get_from_twilio_with_a_changed_query_is_refused(
    receiver: CallbackReceiver, twilio: Registration
) -> None:
    sent = senders.twilio_get(twilio.issue_url("supersim", SIM)[0])
    forged = evolve(sent, url=sent.url.replace("active", "inactive"))
    assert forged.received_by(receiver) == 403


def test_a_get_from_kore_is_unconfirmed_at_best(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    sent = senders.kore_get(kore.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver) == 204
    assert plain(sent).received_by(receiver) == 204
    assert plain(sent, kore_signature="").received_by(receiver) == 204
    assert [(one.signed, one.method, one.status) for one in told] == [(False, "GET", "active")] * 3
    assert receiver.counts.unconfirmed == 3


def test_a_get_from_kore_with_a_wrong_signature_is_refused(
    receiver: CallbackReceiver, kore: Registration
) -> None:
    sent = senders.kore_get(kore.issue_url("supersim", SIM)[0], secret="wrong")
    assert sent.received_by(receiver) == 403


def test_a_post_with_a_wrong_missing_or_empty_signature_is_refused_and_counted(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, told: list[Callback]
) -> None:
    for sent in (
        senders.twilio(twilio.issue_url("supersim", SIM)[0], secret="wrong"),
        senders.kore(kore.issue_url("supersim", SIM)[0], secret="wrong"),
    ):
        assert sent.received_by(receiver) == 403
        assert plain(sent).received_by(receiver) == 403
        assert plain(sent, kore_signature="", x_twilio_signature="").received_by(receiver) == 403
    assert told == []
    assert (receiver.counts.refused, receiver.counts.accepted) == (6, 0)


def test_the_other_vendors_secret_signs_nothing(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="webhook-secret").received_by(receiver) == 403
    url, _ = kore.issue_url("supersim", SIM)
    assert senders.kore(url, secret="auth-token").received_by(receiver) == 403
    assert senders.twilio(url, secret="webhook-secret").received_by(receiver) == 403


def test_a_signed_post_with_a_changed_body_is_refused(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    for sent in (
        senders.twilio(twilio.issue_url("supersim", SIM)[0]),
        senders.kore(kore.issue_url("supersim", SIM)[0]),
    ):
        forged = evolve(sent, body=sent.body.replace(b"active", b"inactive"))
        assert forged.received_by(receiver) == 403


def test_a_signature_does_not_fit_another_ticket(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        sent = send(registration.issue_url("supersim", SIM)[0])
        other, _ = registration.issue_url("supersim", SIM)
        assert evolve(sent, url=other).received_by(receiver) == 403


def test_a_query_that_a_proxy_adds_to_a_post_is_ignored(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, told: list[Callback]
) -> None:
    sent = senders.twilio(twilio.issue_url("supersim", SIM)[0])
    assert evolve(sent, url=sent.url + "?SimStatus=inactive").received_by(receiver) == 204
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert evolve(sent, url=sent.url + "?SimStatus=inactive").received_by(receiver) == 204
    assert [(one.status, one.signed) for one in told] == [("active", True)] * 2


def test_kores_digest_cannot_be_extended(receiver: CallbackReceiver, kore: Registration) -> None:
    # What an attacker adds after a body whose digest is known begins with SHA-256's own padding.
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    longer = sent.body + b"\x80" + b"\x00" * 40 + b"&SimStatus=inactive"
    signature = kore_signature("webhook-secret", "POST", sent.url, longer)
    forged = evolve(sent, body=longer, headers=sent.headers | {"kore-signature": signature})
    assert forged.received_by(receiver) == 400


def test_without_any_signing_secret_callbacks_are_unconfirmed(clock: ManualClock) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    registration = receiver.register(KORE, signing_secrets=[], ticket_secret=b"t")
    sent = senders.kore(registration.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver) == 204
    assert plain(sent).received_by(receiver) == 204
    assert [one.signed for one in registration.take_unclaimed("supersim", SIM)] == [False, False]
    assert (receiver.counts.accepted, receiver.counts.unconfirmed) == (2, 2)


def test_a_changed_ticket_is_refused_and_a_path_that_is_none_is_not_found(
    receiver: CallbackReceiver, twilio: Registration
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    other = url[:-1] + ("A" if url[-1] != "A" else "B")
    assert senders.twilio(other).received_by(receiver) == 403
    assert senders.twilio(url.replace(SIM, SIM[:-1] + "1")).received_by(receiver) == 403
    assert senders.twilio("https://example.com/hooks/healthz").received_by(receiver) == 404
    assert (receiver.counts.refused, receiver.counts.not_found) == (2, 1)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get"])
def test_other_methods_are_refused(
    receiver: CallbackReceiver, kore: Registration, method: str
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert evolve(sent, method=method).received_by(receiver) == 405


def test_a_body_may_be_as_long_as_max_body_and_no_longer(
    receiver: CallbackReceiver, kore: Registration
) -> None:
    url, _ = kore.issue_url("supersim", SIM)
    room = 1000 - len("SimStatus=")
    assert senders.kore(url, {"SimStatus": "x" * room}).received_by(receiver) == 204
    assert senders.kore(url, {"SimStatus": "x" * (room + 1)}).received_by(receiver) == 413


async def test_it_is_called_in_its_loop_with_texts_and_bytes(clock: ManualClock) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    sent = senders.kore(register(receiver, KORE).issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver) == 204
    with pytest.raises(ReceiverError, match="call_soon_threadsafe"):
        await asyncio.to_thread(sent.received_by, receiver)
    path = sent.url.removeprefix("https://example.com")
    for headers in ({"kore-signature": ["a"]}, [("kore-signature", "a")], {b"a": b"b"}):
        with pytest.raises(TypeError, match="headers"):
            receiver.receive("POST", path, headers, b"")  # type: ignore[arg-type]  # the point
    with pytest.raises(TypeError, match="body"):
        receiver.receive("POST", path, {}, None)  # type: ignore[arg-type]  # the point


def test_a_target_of_any_length_is_bounded(receiver: CallbackReceiver, kore: Registration) -> None:
    sent = senders.kore_get(kore.issue_url("supersim", SIM)[0], {"a": "x" * 20_000})
    assert sent.received_by(receiver) == 414


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/xml"}, b"<a/>", 415),
        ({"Content-Type": senders.FORM, "Content-Encoding": "gzip"}, b"a=1", 415),
        ({"Content-Type": senders.FORM}, b"a=\xff", 400),
        ({"Content-Type": senders.FORM}, b"a=1&" * 200, 400),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b"[1]", 400),
        ({"Content-Type": "application/json"}, b'"\xff"', 400),
        ({"Content-Type": "application/json"}, b"[" * 900, 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    receiver: CallbackReceiver,
    kore: Registration,
    headers: dict[str, str],
    body: bytes,
    status: int,
) -> None:
    url, _ = kore.issue_url("supersim", SIM)
    signature = kore_signature("webhook-secret", "POST", url, body)
    sent = senders.Sent(
        method="POST", url=url, headers=headers | {"kore-signature": signature}, body=body
    )
    assert sent.received_by(receiver) == status


def test_a_query_with_raw_bytes_is_refused(receiver: CallbackReceiver, kore: Registration) -> None:
    path = kore.issue_url("supersim", SIM)[0].removeprefix("https://example.com")
    for text in ("é", "\udcff"):
        assert receiver.receive("GET", f"{path}?SimStatus={text}", {}, b"") == 400


def test_form_values_are_kept_blank_and_untrimmed_and_the_first_of_several_counts(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    url, _ = kore.issue_url("supersim", SIM)
    body = b"SimUniqueName=+a%20b+&ErrorMessage=&SimStatus=%61ctive&SimStatus=new&x"
    headers = {"kore-signature": kore_signature("webhook-secret", "POST", url, body)}
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert told[0].params == {
        "SimUniqueName": " a b ",
        "ErrorMessage": "",
        "SimStatus": "active",
        "x": "",
    }


def test_repeated_and_blank_parameters_count_in_twilios_signature(
    receiver: CallbackReceiver, twilio: Registration, told: list[Callback]
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    signature = twilio_signature("auth-token", url, {"a": ["2", "1", "1"], "b": [""], "c": [" "]})
    headers = {"X-TWILIO-SIGNATURE": signature, "Content-Type": f"{senders.FORM}; charset=UTF-8"}
    body = b"b=&a=1&c=+&a=2&a=1"
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert told[0].signed


def test_json_bodies_are_read_and_verified_as_each_vendor_signs_them(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, told: list[Callback]
) -> None:
    body = json.dumps(ACTIVE | {"ErrorCode": 33105, "nested": {}, "yes": True}).encode()
    json_type = {"Content-Type": "application/json"}
    url = f"{twilio.issue_url('supersim', SIM)[0]}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signed = json_type | {"X-Twilio-Signature": twilio_signature("auth-token", url)}
    sent = senders.Sent(method="POST", url=url, headers=signed, body=body)
    assert sent.received_by(receiver) == 204
    assert evolve(sent, body=body + b" ").received_by(receiver) == 403

    url, _ = kore.issue_url("supersim", SIM)
    compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
    signed = json_type | {"kore-signature": kore_signature("webhook-secret", "POST", url, compact)}
    assert senders.Sent(method="POST", url=url, headers=signed, body=body).received_by(receiver)
    assert [(one.signed, one.status, one.error_code) for one in told] == [
        (True, "active", 33105),
        (True, "active", 33105),
    ]
    assert "nested" not in told[0].params
    assert "yes" not in told[0].params


def test_a_byte_order_mark_before_a_json_body_is_read_over(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    body = "\ufeff".encode() + json.dumps(ACTIVE).encode()
    url, _ = kore.issue_url("supersim", SIM)
    signature = kore_signature("webhook-secret", "POST", url, body)
    headers = {"Content-Type": "application/json", "kore-signature": signature}
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert [(one.signed, one.status) for one in told] == [(True, "active")]


def test_a_delivery_that_is_repeated_is_answered_but_told_only_once(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    told: list[Callback],
    events: list[Event],
) -> None:
    for registration, send, header in (
        (twilio, senders.twilio, "I-Twilio-Idempotency-Token"),
        (kore, senders.kore, "kore-idempotency-token"),
    ):
        sent = send(registration.issue_url("supersim", SIM)[0])
        sent = evolve(sent, headers=sent.headers | {header: "token-1"})
        assert [sent.received_by(receiver) for _ in range(3)] == [204, 204, 204]
    assert len(told) == 2
    assert (receiver.counts.accepted, receiver.counts.duplicates) == (6, 4)
    duplicates = [one.duplicate for one in events if isinstance(one, CallbackReceived)]
    assert duplicates == [False, True, True] * 2


def test_a_forged_delivery_does_not_use_up_an_idempotency_token(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    token = {"kore-idempotency-token": "token-1"}
    get = senders.kore_get(sent.url)
    assert plain(sent, **token).received_by(receiver) == 403
    assert plain(get, **token).received_by(receiver) == 204  # unconfirmed: anybody could send it
    assert evolve(sent, headers=sent.headers | token).received_by(receiver) == 204
    assert [one.signed for one in told] == [False, True]


def test_an_idempotency_token_of_absurd_length_is_not_remembered(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    sent = evolve(sent, headers=sent.headers | {"kore-idempotency-token": "x" * 5000})
    sent.received_by(receiver)
    sent.received_by(receiver)
    assert len(told) == 2


@pytest.mark.parametrize("path", ["", "/a", "/hooks", "/hooks/hooks", "/x/y/z/twilio/supersim"])
def test_the_prefix_may_be_stripped_or_added_by_what_stands_in_front(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    told: list[Callback],
    path: str,
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        url, _ = registration.issue_url("supersim", "a b")
        tail = url.removeprefix("https://example.com/hooks")
        assert send(url).received_by(receiver, path=path + tail) == 204
    assert [one.signed for one in told] == [True, True]


def test_a_target_in_absolute_form_is_understood(
    receiver: CallbackReceiver, kore: Registration, told: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver, path=f"http://internal:8080{sent.url[25:]}") == 204
    assert told[0].signed


def test_events_tell_what_came_and_why_something_was_refused_without_the_ticket(
    receiver: CallbackReceiver, kore: Registration, events: list[Event]
) -> None:
    url, nonce = kore.issue_url("supersim", SIM)
    senders.kore(url).received_by(receiver)
    senders.kore(url, secret="wrong").received_by(receiver)
    assert events == [
        CallbackReceived(vendor="kore", product="supersim", name=SIM, status="active", signed=True),
        CallbackRefused(status=403, reason="the signature is wrong"),
    ]
    mac = url.rpartition("/")[2]
    assert nonce not in str(events)
    assert mac not in str(events)


def test_reprs_hold_no_secret_and_no_ticket(clock: ManualClock) -> None:
    told: list[Callback] = []
    receiver = CallbackReceiver(
        "https://proxy-user:proxy-password@example.com/hooks",
        ticket_secrets=["ticket-secret"],
        twilio_auth_tokens=["twilio-secret"],
        kore_webhook_secrets=["kore-secret"],
        clock=clock,
    )
    registration = listen(register(receiver, TWILIO, "client-secret"), told)
    url, nonce = registration.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="client-secret").received_by(receiver) == 204
    shown = repr(
        (
            receiver,
            registration,
            told,
            receiver._handler.secrets,
            receiver._handler.secrets.clients,
            registration._client,
        )
    )
    assert "https://example.com/hooks" in shown
    assert SIM in shown
    hidden = ["proxy-password", "-secret", nonce, url.rpartition("/")[2], "credential"]
    assert [one for one in hidden if one in shown] == []
