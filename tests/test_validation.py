from __future__ import annotations

import pytest

from asyncsim.validation import (
    invalid_characters,
    looks_like_iccid,
    looks_like_sid,
    usable_url,
)

HEX = "0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize("name", [f"HS{HEX}", f"DE{HEX}"])
def test_two_capitals_and_32_hex_digits_look_like_a_sid(name: str) -> None:
    assert looks_like_sid(name)


@pytest.mark.parametrize(
    "name", ["", "HS", f"hs{HEX}", f"HS{HEX}0", f"HS{HEX[:-1]}", f"HS{HEX[:-1]}g", f"HS{HEX}\n"]
)
def test_anything_else_does_not_look_like_a_sid(name: str) -> None:
    assert not looks_like_sid(name)


def test_a_lower_case_prefix_is_accepted_only_with_any_case() -> None:
    assert not looks_like_sid(f"hs{HEX}")
    assert looks_like_sid(f"hs{HEX}", any_case=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8" * 18, True), ("8" * 22, True), ("8" * 17, False), ("8" * 23, False), ("８" * 19, False)],
)
def test_18_to_22_ascii_digits_look_like_an_iccid(text: str, expected: bool) -> None:
    assert looks_like_iccid(text) is expected


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://[::1]:8080/twilio",
        "http://user:password@proxy:3128",
        "http://bücher.example",
    ],
)
def test_a_url_that_can_be_requested_is_usable(url: str) -> None:
    assert usable_url(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "example.com",
            "ftp://example.com",
            "http://",
            "http://[::1",
            "http://example.com:port",
        ),
        *(
            "http://example.com:0",
            "http://exam ple.com",
            "http://example.com/\x00",
            " http://example.com",
        ),
        *(None, 7),
    ],
)
def test_any_other_url_is_not_usable(url: object) -> None:
    assert usable_url(url) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HS-my-name", None),
        ("a name", None),
        ("", None),
        ("a\x00b", "a control character in it"),
        ("a\u2028b", "a control character in it"),
        (" a", "white space around it"),
        ("a\u200b", "white space around it"),
        ("a\u200bb", None),
    ],
)
def test_invalid_characters_in_a_name_are_found(text: str, found: str | None) -> None:
    assert invalid_characters(text) == found
