"""The vectors the vendors publish."""

from __future__ import annotations

import pytest

from asyncsim.emulator.callbacks import kore_signature, twilio_signature

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
REPEATED = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ([], "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
    ],
)
def test_twilio_signatures_agree_with_the_published_ones(
    params: list[tuple[str, str]], signature: str
) -> None:
    assert twilio_signature("12345", URL, params) == signature


def test_a_fragment_is_not_part_of_a_signed_url() -> None:
    assert twilio_signature("12345", f"{URL}#rc=2", []) == twilio_signature("12345", URL, [])


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (
            "12345",
            "field1=value1&field2=value2",
            "f562d3959f68b5a30fc7a63f8bbf40987f633575f4231ffceb4f76dd154ea3ce",
        ),
        (
            "secret12345",
            "field1=value1&field2=value2",
            "4fdba0cb1394cc8d17b8dabb04634aa9a951021a7b161f9c7a2186cd490b18b2",
        ),
        (
            "a35974bdf1c769b8bb",
            '{"field1":"value1","field2":"value2"}',
            "d21c555b37789cdb9433a85760d326f0c637d5c17676b8dc49918ec629c67d59",
        ),
    ],
)
def test_kore_signatures_agree_with_the_published_ones(
    secret: str, body: str, signature: str
) -> None:
    assert kore_signature(secret, "POST", "https://testendpoint.com", body) == signature


def test_kore_drops_query_and_fragment_before_signing() -> None:
    bare = kore_signature("12345", "POST", "https://testendpoint.com/a", "x=1")
    assert kore_signature("12345", "POST", "https://testendpoint.com/a?b=2#c", "x=1") == bare


def test_an_account_without_a_secret_signs_with_an_empty_header() -> None:
    assert kore_signature(None, "POST", "https://testendpoint.com", "x=1") == ""
