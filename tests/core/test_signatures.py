import base64
import hashlib
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies as st
from twilio.request_validator import RequestValidator

from asyncsim.core.signatures import (
    Mac,
    kore_signature,
    matches_any,
    twilio_key,
    twilio_signature,
    verify_kore,
    verify_twilio,
)

# Published vectors: Twilio docs, "Secure webhooks", and the tests of its helper libraries.
TWILIO_TOKEN = "12345"
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_VECTORS = {
    "RSOYDt4T1cUTdK1PDd93/VVr8B8=": {
        "CallSid": ["CA1234567890ABCDE"],
        "Digits": ["1234"],
        "From": ["+14158675309"],
        "To": ["+18005551212"],
        "Caller": ["+14158675309"],
    },
    "IK+Dwps556ElfBT0I3Rgjkr1wJU=": {
        "Sid": ["CA123"],
        "SidAccount": ["AC123"],
        "Digits": ["5678", "1234", "1234"],
    },
    "zYQTYrRWXE7LtzbG4PfP7/bkkGo=": {},
}

# KORE docs, "Validate Webhook Signatures".
KORE_URL = "https://testendpoint.com"
KORE_VECTORS = [
    (
        "12345",
        b"field1=value1&field2=value2",
        "f562d3959f68b5a30fc7a63f8bbf40987f633575f4231ffceb4f76dd154ea3ce",
    ),
    (
        "secret12345",
        b"field1=value1&field2=value2",
        "4fdba0cb1394cc8d17b8dabb04634aa9a951021a7b161f9c7a2186cd490b18b2",
    ),
    (
        "a35974bdf1c769b8bb",
        b'{"field1":"value1","field2":"value2"}',
        "d21c555b37789cdb9433a85760d326f0c637d5c17676b8dc49918ec629c67d59",
    ),
]


def keys(*tokens: str) -> list[Mac]:
    return [twilio_key(token) for token in tokens]


texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
forms = st.dictionaries(names, st.lists(texts, min_size=1, max_size=3), max_size=5)


@pytest.mark.parametrize(("signature", "params"), TWILIO_VECTORS.items())
def test_twilio_published_vectors_verify(signature: str, params: dict[str, list[str]]) -> None:
    assert twilio_signature(TWILIO_TOKEN, TWILIO_URL, params) == signature
    assert verify_twilio(keys(TWILIO_TOKEN), TWILIO_URL, params, signature)


@pytest.mark.parametrize(("secret", "body", "digest"), KORE_VECTORS)
def test_kore_published_vectors_verify(secret: str, body: bytes, digest: str) -> None:
    assert kore_signature(secret, "POST", KORE_URL, body) == digest
    assert verify_kore([secret], "POST", KORE_URL, body, digest)


def test_kore_json_is_also_verified_in_compact_form() -> None:
    secret, compact, digest = KORE_VECTORS[2]
    spaced = b'{"field1": "value1", "field2": "value2"}'
    assert json.loads(spaced) == json.loads(compact)
    assert verify_kore([secret], "POST", KORE_URL, spaced, digest)


@pytest.mark.parametrize("body", [b'{"open": ', b"[" * 100_000, b'{"\xff": 1}'])
def test_a_malformed_json_body_is_rejected_without_an_exception(body: bytes) -> None:
    assert not verify_kore(["secret"], "POST", KORE_URL, body, "0" * 64)


def test_the_kore_signature_drops_query_and_fragment_and_upper_cases_the_method() -> None:
    whole = kore_signature("s", "post", f"{KORE_URL}/path?query=1#rc=2", b"")
    assert whole == kore_signature("s", "POST", f"{KORE_URL}/path", b"")


def test_a_signature_with_any_of_several_secrets_is_accepted() -> None:
    new, old = "new", "old"
    assert verify_twilio(keys(new, old), TWILIO_URL, {}, twilio_signature(old, TWILIO_URL))
    assert verify_kore(
        [new, old], "POST", KORE_URL, b"a=1", kore_signature(old, "POST", KORE_URL, b"a=1")
    )


def test_without_secrets_nothing_is_verified() -> None:
    assert not verify_twilio(keys(), TWILIO_URL, {}, twilio_signature("", TWILIO_URL))
    assert not verify_kore([], "POST", KORE_URL, b"", "")


@pytest.mark.parametrize("given_signature", ["", " ", "ä", "\ud800", "0" * 64])
def test_a_malformed_signature_is_rejected_without_an_exception(given_signature: str) -> None:
    assert not verify_twilio(keys("token"), TWILIO_URL, {}, given_signature)
    assert not verify_kore(["secret"], "POST", KORE_URL, b"", given_signature)


def test_all_secrets_are_compared_even_after_a_match() -> None:
    compared: list[str] = []

    def secrets() -> Iterator[str]:
        for secret in ("match", "other", "another"):
            compared.append(secret)
            yield secret

    assert matches_any(secrets(), "match")
    assert compared == ["match", "other", "another"]


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://h.example/p", "https://h.example:443/p"),
        ("https://h.example:443/p", "https://h.example/p"),
        ("http://h.example/p", "http://h.example:80/p"),
        ("http://h.example:80/p?q=a:1", "http://h.example/p?q=a:1"),
        ("https://h.example:8443/p", "https://h.example/p"),
        ("https://user:pass@h.example:443/p", "https://user:pass@h.example/p"),
        ("https://user:pass@h.example/p", "https://user:pass@h.example:443/p"),
        ("https://user:123@h.example/p", "https://user:123@h.example:443/p"),
        ("http://[::1]:80/p", "http://[::1]/p"),
        ("http://[::1]/p", "http://[::1]:80/p"),
        ("https://h.example", "https://h.example:443"),
        ("https://h.example?q=1", "https://h.example:443?q=1"),
        ("https://user:pass@h.example/p", "https://h.example/p"),
        ("https://user:pass@h.example/p", "https://h.example:443/p"),
        ("https://us:er:p@ss@h.example:443/p", "https://h.example/p"),
        ("HTTPS://H.Example/P", "https://h.example/P"),
        ("HTTPS://H.Example/P", "https://H.Example/P"),
        ("HTTPS://H.Example:443/P", "https://h.example/P"),
        ("HTTP://User:Pass@H.Example/P", "http://User:Pass@h.example:80/P"),
        ("HTTP://User:Pass@H.Example/P", "http://h.example:80/P"),
    ],
)
def test_url_variants_in_login_case_and_default_port_verify(url: str, signed: str) -> None:
    assert verify_twilio(keys("t"), url, {}, twilio_signature("t", signed))
    assert verify_kore(["t"], "POST", url, b"a=1", kore_signature("t", "POST", signed, b"a=1"))


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://h.example/p", "https://h.example:80/p"),
        ("https://h.example/p", "http://h.example/p"),
        ("https://h.example:1/p", "https://h.example:2/p"),
        ("https://[::1]/p", "https://[:/p"),
        ("https://user:1@h.example/p", "https://user@h.example/p"),
        ("https://h.example/a:443", "https://h.example/a"),
        ("https://h.example/p", "https://h.example/p/"),
        ("https://h.example/P", "https://h.example/p"),
        ("https://h.example/p", "https://user:pass@h.example/p"),
        ("https://User:Pass@h.example/p", "https://user:pass@h.example/p"),
    ],
)
def test_a_signature_over_another_url_is_rejected(url: str, signed: str) -> None:
    assert not verify_kore(["t"], "POST", url, b"", kore_signature("t", "POST", signed, b""))
    assert not verify_twilio(keys("t"), url, {}, twilio_signature("t", signed))


def test_a_json_body_is_verified_by_its_hash_in_the_url() -> None:
    body = b'{"SimStatus": "active"}'
    url = f"https://h.example/p?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = twilio_signature("t", url)
    assert verify_twilio(keys("t"), url, None, signature, body=body)
    assert not verify_twilio(keys("t"), url, None, signature, body=body + b" ")
    assert not verify_twilio(keys("t"), url + "0", None, signature, body=body)
    assert RequestValidator("t").validate(url, body.decode(), signature)


def test_a_json_body_without_its_hash_in_the_url_is_rejected() -> None:
    signature = twilio_signature("t", "https://h.example/p")
    assert not verify_twilio(keys("t"), "https://h.example/p", None, signature, body=b"{}")
    assert verify_twilio(keys("t"), "https://h.example/p", None, signature)


class MultiParams(dict[str, list[str]]):
    """The minimum that twilio's validator needs for repeated names."""

    def getall(self, name: str) -> list[str]:
        return self[name]


@given(token=texts, params=forms, query=forms, port=st.sampled_from(["", ":443", ":8443"]))
def test_twilios_validator_computes_and_accepts_the_same_signatures(
    token: str, params: dict[str, list[str]], query: dict[str, list[str]], port: str
) -> None:
    url = f"https://h.example{port}/a%20b/c"
    url += "?" + urlencode(query, doseq=True) if query else ""
    signature = twilio_signature(token, url, params)
    validator = RequestValidator(token)
    assert validator.compute_signature(url, MultiParams(params)) == signature
    assert validator.validate(url, MultiParams(params), signature)
    assert verify_twilio(keys(token), url, params, signature)


@given(token=texts, params=forms, port=st.sampled_from(["", ":443", ":8443"]))
def test_ports_are_accepted_exactly_as_twilios_validator_accepts_them(
    token: str, params: dict[str, list[str]], port: str
) -> None:
    url = f"https://h.example{port}/p"
    for signed in ("https://h.example/p", "https://h.example:443/p", "https://h.example:8443/p"):
        signature = twilio_signature(token, signed, params)
        theirs = RequestValidator(token).validate(url, MultiParams(params), signature)
        assert verify_twilio(keys(token), url, params, signature) == theirs


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    body=st.binary(min_size=1, max_size=60),
    data=st.data(),
)
def test_a_kore_callback_with_one_changed_byte_is_rejected(
    secret: str, body: bytes, data: st.DataObject
) -> None:
    digest = kore_signature(secret, "POST", KORE_URL, body)
    assert verify_kore([secret], "POST", KORE_URL, body, digest)
    at = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[at] ^= data.draw(st.integers(1, 255))
    # JSON that differs only in whitespace is the same callback; `{}` is too short to tell.
    if not bytes(changed).startswith((b"{", b"[")):
        assert not verify_kore([secret], "POST", KORE_URL, bytes(changed), digest)
    assert not verify_kore([secret], "PUT", KORE_URL, body, digest)
    assert not verify_kore([secret], "POST", KORE_URL + "/", body, digest)


@given(params=forms.filter(bool), data=st.data())
def test_a_twilio_callback_with_a_changed_value_is_rejected(
    params: dict[str, list[str]], data: st.DataObject
) -> None:
    signature = twilio_signature("token", TWILIO_URL, params)
    name = data.draw(st.sampled_from(sorted(params)))
    # Twilio concatenates without separators, so only a longer text is certain to differ.
    changed = {**params, name: ["".join(params[name]) + "x"]}
    assert not verify_twilio(keys("token"), TWILIO_URL, changed, signature)


@given(at=st.integers(0, 19), flip=st.integers(1, 255))
def test_a_signature_with_one_changed_byte_is_rejected(at: int, flip: int) -> None:
    raw = bytearray(base64.b64decode(twilio_signature("token", TWILIO_URL)))
    raw[at] ^= flip
    assert not verify_twilio(keys("token"), TWILIO_URL, {}, base64.b64encode(raw).decode())
