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


def test_a_signed_post_of_either_vendor_is_parsed_completely(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, delivered: list[Callback]
) -> None:
    twilio_url, nonce = twilio.issue_url("supersim", "my-sim")
    kore_url, _ = kore.issue_url("supersim", SIM)
    assert senders.twilio(twilio_url).received_by(receiver) == 204
    assert senders.kore(kore_url).received_by(receiver) == 204
    first, second = delivered
    assert (first.vendor, first.product, first.name, first.nonce) == (
        "twilio",
        "supersim",
        "my-sim",
        nonce,
    )
    assert (first.sid, first.status, first.account_sid) == (SIM, "active", ACTIVE["AccountSid"])
    assert (first.signed, first.method, first.params) == (True, "POST", ACTIVE)
    assert (second.vendor, second.name, second.signed) == ("kore", SIM, True)


def test_programmable_wireless_errors_are_parsed(
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
def test_a_malformed_error_code_is_left_out(clock: ManualClock, code: str) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    registration = register(receiver, KORE)
    url, _ = registration.issue_url("wireless", "x")
    assert senders.kore(url, {"ErrorCode": code}).received_by(receiver) == 204
    [callback] = registration.take_unclaimed("wireless", "x")
    assert callback.error_code is None
    assert callback.params["ErrorCode"] == code


@pytest.mark.parametrize("name", ["a b", "a/b", "50% off", "é/ü", "日本", "a+b", "x?y#z"])
def test_names_arrive_as_they_were_issued(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    delivered: list[Callback],
    name: str,
) -> None:
    assert senders.twilio(twilio.issue_url("supersim", name)[0]).received_by(receiver) == 204
    assert senders.kore(kore.issue_url("supersim", name)[0]).received_by(receiver) == 204
    assert [one.name for one in delivered] == [name, name]
    assert all(one.signed for one in delivered)


@pytest.mark.parametrize("name", [SIM, "pump 7", "plant/3", "Zürich", "a+b", "50%", "x;y", "k=v&w"])
def test_a_proxy_that_reencodes_the_path_breaks_no_signature(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    delivered: list[Callback],
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
    assert [(one.name, one.signed) for one in delivered] == [(name, True)] * 8


def test_a_signature_over_the_received_spelling_of_the_path_is_accepted(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, delivered: list[Callback]
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        url = registration.issue_url("supersim", "a b")[0].replace("supersim", "super%73im")
        assert send(url).received_by(receiver) == 204
    assert [one.signed for one in delivered] == [True, True]


def test_twilios_own_validator_accepts_the_signed_url(twilio: Registration) -> None:
    sent = senders.twilio(twilio.issue_url("supersim", "a b/ü")[0])
    signature = sent.headers["X-Twilio-Signature"]
    assert RequestValidator("auth-token").validate(sent.url, ACTIVE, signature)


def test_a_get_from_twilio_is_signed_and_marked_as_a_get(
    receiver: CallbackReceiver, twilio: Registration, delivered: list[Callback]
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    assert senders.twilio_get(url).received_by(receiver) == 204
    assert (delivered[0].signed, delivered[0].method, delivered[0].status) == (
        True,
        "GET",
        "active",
    )


def test_a_get_from_twilio_with_a_changed_query_is_rejected(
    receiver: CallbackReceiver, twilio: Registration
) -> None:
    sent = senders.twilio_get(twilio.issue_url("supersim", SIM)[0])
    forged = evolve(sent, url=sent.url.replace("active", "inactive"))
    assert forged.received_by(receiver) == 403


def test_a_get_from_kore_is_never_signed(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    sent = senders.kore_get(kore.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver) == 204
    assert plain(sent).received_by(receiver) == 204
    assert plain(sent, kore_signature="").received_by(receiver) == 204
    assert [(one.signed, one.method, one.status) for one in delivered] == [
        (False, "GET", "active")
    ] * 3
    assert receiver.counts.unconfirmed == 3


def test_a_get_from_kore_with_a_wrong_signature_is_rejected(
    receiver: CallbackReceiver, kore: Registration
) -> None:
    sent = senders.kore_get(kore.issue_url("supersim", SIM)[0], secret="wrong")
    assert sent.received_by(receiver) == 403


def test_a_post_with_a_wrong_missing_or_empty_signature_is_rejected_and_counted(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, delivered: list[Callback]
) -> None:
    for sent in (
        senders.twilio(twilio.issue_url("supersim", SIM)[0], secret="wrong"),
        senders.kore(kore.issue_url("supersim", SIM)[0], secret="wrong"),
    ):
        assert sent.received_by(receiver) == 403
        assert plain(sent).received_by(receiver) == 403
        assert plain(sent, kore_signature="", x_twilio_signature="").received_by(receiver) == 403
    assert delivered == []
    assert (receiver.counts.refused, receiver.counts.accepted) == (6, 0)


def test_the_other_vendors_secret_does_not_verify(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="webhook-secret").received_by(receiver) == 403
    url, _ = kore.issue_url("supersim", SIM)
    assert senders.kore(url, secret="auth-token").received_by(receiver) == 403
    assert senders.twilio(url, secret="webhook-secret").received_by(receiver) == 403


def test_a_signed_post_with_a_changed_body_is_rejected(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    for sent in (
        senders.twilio(twilio.issue_url("supersim", SIM)[0]),
        senders.kore(kore.issue_url("supersim", SIM)[0]),
    ):
        forged = evolve(sent, body=sent.body.replace(b"active", b"inactive"))
        assert forged.received_by(receiver) == 403


def test_a_signature_is_not_valid_for_another_ticket(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        sent = send(registration.issue_url("supersim", SIM)[0])
        other, _ = registration.issue_url("supersim", SIM)
        assert evolve(sent, url=other).received_by(receiver) == 403


def test_a_query_that_a_proxy_adds_to_a_post_is_ignored(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, delivered: list[Callback]
) -> None:
    sent = senders.twilio(twilio.issue_url("supersim", SIM)[0])
    assert evolve(sent, url=sent.url + "?SimStatus=inactive").received_by(receiver) == 204
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert evolve(sent, url=sent.url + "?SimStatus=inactive").received_by(receiver) == 204
    assert [(one.status, one.signed) for one in delivered] == [("active", True)] * 2


def test_kores_digest_cannot_be_extended(receiver: CallbackReceiver, kore: Registration) -> None:
    # A length extension continues a body of known digest after SHA-256's own padding.
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    longer = sent.body + b"\x80" + b"\x00" * 40 + b"&SimStatus=inactive"
    signature = kore_signature("webhook-secret", "POST", sent.url, longer)
    forged = evolve(sent, body=longer, headers=sent.headers | {"kore-signature": signature})
    assert forged.received_by(receiver) == 400


def test_without_any_signing_secret_callbacks_are_unconfirmed(clock: ManualClock) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    registration = receiver.register(KORE, account="one", signing_secrets=[], ticket_secrets=[b"t"])
    sent = senders.kore(registration.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver) == 204
    assert plain(sent).received_by(receiver) == 204
    assert [one.signed for one in registration.take_unclaimed("supersim", SIM)] == [False, False]
    assert (receiver.counts.accepted, receiver.counts.unconfirmed) == (2, 2)


def test_a_changed_ticket_is_rejected_and_any_other_path_is_not_found(
    receiver: CallbackReceiver, twilio: Registration
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    other = url[:-1] + ("A" if url[-1] != "A" else "B")
    assert senders.twilio(other).received_by(receiver) == 403
    assert senders.twilio(url.replace(SIM, SIM[:-1] + "1")).received_by(receiver) == 403
    assert senders.twilio("https://example.com/hooks/healthz").received_by(receiver) == 404
    assert (receiver.counts.refused, receiver.counts.not_found) == (2, 1)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get"])
def test_other_methods_are_rejected(
    receiver: CallbackReceiver, kore: Registration, method: str
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert evolve(sent, method=method).received_by(receiver) == 405


def test_a_body_may_be_as_long_as_max_body(receiver: CallbackReceiver, kore: Registration) -> None:
    url, _ = kore.issue_url("supersim", SIM)
    room = 1000 - len("SimStatus=")
    assert senders.kore(url, {"SimStatus": "x" * room}).received_by(receiver) == 204
    assert senders.kore(url, {"SimStatus": "x" * (room + 1)}).received_by(receiver) == 413


async def test_receive_is_called_in_its_loop_with_str_and_bytes(clock: ManualClock) -> None:
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


def test_the_length_of_a_request_target_is_limited(
    receiver: CallbackReceiver, kore: Registration
) -> None:
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
def test_an_unreadable_body_is_rejected(
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


def test_a_query_with_raw_bytes_is_rejected(receiver: CallbackReceiver, kore: Registration) -> None:
    path = kore.issue_url("supersim", SIM)[0].removeprefix("https://example.com")
    for text in ("é", "\udcff"):
        assert receiver.receive("GET", f"{path}?SimStatus={text}", {}, b"") == 400


def test_form_values_are_kept_blank_and_untrimmed_and_the_first_of_repeated_ones_counts(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    url, _ = kore.issue_url("supersim", SIM)
    body = b"SimUniqueName=+a%20b+&ErrorMessage=&SimStatus=%61ctive&SimStatus=new&x"
    headers = {"kore-signature": kore_signature("webhook-secret", "POST", url, body)}
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert delivered[0].params == {
        "SimUniqueName": " a b ",
        "ErrorMessage": "",
        "SimStatus": "active",
        "x": "",
    }


def test_repeated_and_blank_parameters_are_part_of_twilios_signature(
    receiver: CallbackReceiver, twilio: Registration, delivered: list[Callback]
) -> None:
    url, _ = twilio.issue_url("supersim", SIM)
    signature = twilio_signature("auth-token", url, {"a": ["2", "1", "1"], "b": [""], "c": [" "]})
    headers = {"X-TWILIO-SIGNATURE": signature, "Content-Type": f"{senders.FORM}; charset=UTF-8"}
    body = b"b=&a=1&c=+&a=2&a=1"
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert delivered[0].signed


def test_json_bodies_are_read_and_verified_as_each_vendor_signs_them(
    receiver: CallbackReceiver, twilio: Registration, kore: Registration, delivered: list[Callback]
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
    assert [(one.signed, one.status, one.error_code) for one in delivered] == [
        (True, "active", 33105),
        (True, "active", 33105),
    ]
    assert "nested" not in delivered[0].params
    assert "yes" not in delivered[0].params


def test_a_byte_order_mark_before_a_json_body_is_skipped(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    body = "\ufeff".encode() + json.dumps(ACTIVE).encode()
    url, _ = kore.issue_url("supersim", SIM)
    signature = kore_signature("webhook-secret", "POST", url, body)
    headers = {"Content-Type": "application/json", "kore-signature": signature}
    sent = senders.Sent(method="POST", url=url, headers=headers, body=body)
    assert sent.received_by(receiver) == 204
    assert [(one.signed, one.status) for one in delivered] == [(True, "active")]


def test_a_repeated_delivery_gets_a_response_but_is_delivered_once(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    delivered: list[Callback],
    events: list[Event],
) -> None:
    for registration, send, header in (
        (twilio, senders.twilio, "I-Twilio-Idempotency-Token"),
        (kore, senders.kore, "kore-idempotency-token"),
    ):
        sent = send(registration.issue_url("supersim", SIM)[0])
        sent = evolve(sent, headers=sent.headers | {header: "token-1"})
        assert [sent.received_by(receiver) for _ in range(3)] == [204, 204, 204]
    assert len(delivered) == 2
    assert (receiver.counts.accepted, receiver.counts.duplicates) == (6, 4)
    duplicates = [one.duplicate for one in events if isinstance(one, CallbackReceived)]
    assert duplicates == [False, True, True] * 2


def test_a_forged_delivery_does_not_use_up_an_idempotency_token(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    token = {"kore-idempotency-token": "token-1"}
    get = senders.kore_get(sent.url)
    assert plain(sent, **token).received_by(receiver) == 403
    assert plain(get, **token).received_by(receiver) == 204  # unconfirmed: it needs no secret
    assert evolve(sent, headers=sent.headers | token).received_by(receiver) == 204
    assert [one.signed for one in delivered] == [False, True]


def test_an_overlong_idempotency_token_is_not_remembered(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    sent = evolve(sent, headers=sent.headers | {"kore-idempotency-token": "x" * 5000})
    sent.received_by(receiver)
    sent.received_by(receiver)
    assert len(delivered) == 2


@pytest.mark.parametrize("path", ["", "/a", "/hooks", "/hooks/hooks", "/x/y/z/twilio/supersim"])
def test_a_proxy_may_strip_or_add_a_path_prefix(
    receiver: CallbackReceiver,
    twilio: Registration,
    kore: Registration,
    delivered: list[Callback],
    path: str,
) -> None:
    for registration, send in ((twilio, senders.twilio), (kore, senders.kore)):
        url, _ = registration.issue_url("supersim", "a b")
        tail = url.removeprefix("https://example.com/hooks")
        assert send(url).received_by(receiver, path=path + tail) == 204
    assert [one.signed for one in delivered] == [True, True]


def test_a_request_target_in_absolute_form_is_accepted(
    receiver: CallbackReceiver, kore: Registration, delivered: list[Callback]
) -> None:
    sent = senders.kore(kore.issue_url("supersim", SIM)[0])
    assert sent.received_by(receiver, path=f"http://internal:8080{sent.url[25:]}") == 204
    assert delivered[0].signed


def test_events_give_the_callback_or_the_reason_of_a_rejection_without_the_ticket(
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
    delivered: list[Callback] = []
    receiver = CallbackReceiver(
        "https://proxy-user:proxy-password@example.com/hooks",
        ticket_secrets=["ticket-secret"],
        twilio_auth_tokens=["twilio-secret"],
        kore_webhook_secrets=["kore-secret"],
        clock=clock,
    )
    registration = listen(register(receiver, TWILIO, "client-secret"), delivered)
    url, nonce = registration.issue_url("supersim", SIM)
    assert senders.twilio(url, secret="client-secret").received_by(receiver) == 204
    shown = repr(
        (
            receiver,
            registration,
            delivered,
            receiver._handler.secrets,
            receiver._handler.secrets.clients,
            registration._client,
        )
    )
    assert "https://example.com/hooks" in shown
    assert SIM in shown
    hidden = ["proxy-password", "-secret", nonce, url.rpartition("/")[2], "credential"]
    assert [one for one in hidden if one in shown] == []
