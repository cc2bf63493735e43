import pytest

from asyncsim.callbacks import CallbackReceiver
from asyncsim.callbacks.receiver import checked_url, local_url, without_login
from asyncsim.errors import ConfigurationError, ReceiverError


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a%20b",
        "http://user:word@[::1]:80/hooks",
    ],
)
def test_a_public_url_is_kept_as_it_was_spelt_but_for_trailing_slashes(url: str) -> None:
    assert CallbackReceiver(url).public_url == url
    assert CallbackReceiver(url + "/").public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///hooks",
        "https://user:word@/hooks",
        "https://example.com?",
        "https://example.com/?word=1",
        "https://example.com/#word",
        "https://example.com/a word",
        "https://éxample.com/word",
        "https://example.com:word/",
        "https://example.com:0/word",
        "https://[word/",
    ],
)
def test_a_public_url_that_cannot_serve_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="public_url") as caught:
        checked_url(url)
    assert "word" not in str(caught.value)


def test_the_url_of_the_own_listener_is_spelt_for_both_kinds_of_addresses() -> None:
    assert local_url("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert local_url("::1", 80) == "http://[::1]:80"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_an_address_that_nobody_can_call_needs_a_public_url(host: str) -> None:
    with pytest.raises(ReceiverError, match="public_url"):
        local_url(host, 80)


def test_a_url_is_shown_without_user_and_password() -> None:
    assert without_login("https://user:pa@ss@example.com:1/a@b") == "https://example.com:1/a@b"
    assert without_login("https://example.com") == "https://example.com"
