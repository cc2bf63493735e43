import posixpath
import re

import pytest
from hypothesis import given, strategies as st

from asyncsim.callbacks.tickets import (
    IssuedTicket,
    derive_ticket_secret,
    find_ticket,
    issue_ticket,
    key,
    verify_ticket,
)
from asyncsim.core.signatures import Mac
from asyncsim.errors import SignatureError
from asyncsim.vendors import Product

SECRET = b"k" * 32
KEY = key(SECRET)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)


def segments(ticket: IssuedTicket) -> tuple[str, ...]:
    found = find_ticket(ticket.path)
    assert found is not None
    return found


def is_rejected(found: tuple[str, ...], *keys: Mac) -> bool:
    try:
        verify_ticket(found, keys)
    except SignatureError:
        return True
    return False


@given(name=names)
def test_a_ticket_carries_the_name_it_was_issued_for(name: str) -> None:
    ticket = issue_ticket(SECRET, "kore", "supersim", name)
    found = verify_ticket(segments(ticket), [KEY])
    assert (found.vendor, found.product, found.name) == ("kore", Product.SUPERSIM, name)
    assert found.nonce == ticket.nonce


@pytest.mark.parametrize("name", ["my sim", "a/b", "50%", "é/ü?#", "日本", "a+b&c=d", ".."])
def test_any_name_is_encoded_as_one_ascii_segment(name: str) -> None:
    path = issue_ticket(SECRET, "twilio", "wireless", name).path
    assert path.isascii()
    assert path.count("/") == 5
    assert not set(path) & set("?#& ")


def test_each_ticket_has_its_own_nonce() -> None:
    nonces = {issue_ticket(SECRET, "kore", "supersim", "HS1").nonce for _ in range(100)}
    assert len(nonces) == 100


def test_any_of_several_secrets_verifies_a_ticket() -> None:
    ticket = issue_ticket(b"old", "kore", "supersim", "HS1")
    assert verify_ticket(segments(ticket), [key(b"new"), key(b"old")]).name == "HS1"
    assert is_rejected(segments(ticket), key(b"new"))
    assert is_rejected(segments(ticket))


def test_a_ticket_with_a_changed_character_is_rejected() -> None:
    path = issue_ticket(SECRET, "twilio", "supersim", "HS1").path
    for at in range(1, len(path)):
        for character in set("abcXYZ019-_/%") - {path[at]}:
            found = find_ticket(path[:at] + character + path[at + 1 :])
            assert found is None or is_rejected(found, KEY)


def test_a_name_cannot_absorb_characters_of_the_nonce() -> None:
    vendor, product, _, nonce, mac = segments(issue_ticket(SECRET, "kore", "supersim", "HS1"))
    for name in (f"{nonce}%2FHS1", f"HS1%2F{nonce}", "HS1%2F", "%2FHS1"):
        assert is_rejected((vendor, product, name, nonce, mac), KEY)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/healthz",
        "/kore/supersim/HS1",
        "/kore/supersim/HS1/AAAAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim/HS1/AAAAAAAAAAAAAAAAAAAAAAAA/short",
        "/kore/supersim/HS1/short/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim//AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/nothing/HS1/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/acme/supersim/HS1/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim/~HS1/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim/-/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim/HS1%/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
        "/kore/supersim/HSé/AAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_a_path_that_is_no_ticket_is_not_taken_for_a_wrong_one(path: str) -> None:
    assert find_ticket(path) is None


def test_only_the_end_of_a_path_is_read() -> None:
    ticket = issue_ticket(SECRET, "kore", "supersim", "HS1")
    for prefix in ("/some/prefix", "/über", "/%C3%BCber", "/%2f%2e", "//"):
        assert find_ticket(prefix + ticket.path) == find_ticket(ticket.path)
    assert find_ticket(ticket.path + "/") == find_ticket(ticket.path)


def test_a_name_that_is_not_utf8_is_rejected() -> None:
    vendor, product, _, nonce, mac = segments(issue_ticket(SECRET, "kore", "supersim", "HS1"))
    for name in ("-_w", "-A", "-----"):
        assert is_rejected((vendor, product, name, nonce, mac), KEY)


@given(name=names)
def test_a_ticket_has_only_characters_that_need_no_encoding(name: str) -> None:
    path = issue_ticket(SECRET, "kore", "supersim", name).path
    assert re.fullmatch(r"[A-Za-z0-9_/-]+", path)
    assert posixpath.normpath(path) == path


@given(name=names, at=st.integers(0, 200))
def test_a_proxy_may_percent_encode_any_character(name: str, at: int) -> None:
    path = issue_ticket(SECRET, "kore", "supersim", name).path
    at = 1 + at % (len(path) - 1)
    spelled = f"{path[:at]}%{ord(path[at]):02x}{path[at + 1 :]}"
    assert find_ticket(spelled) == find_ticket(path)


def test_replicas_derive_the_same_ticket_secret_from_the_same_credential() -> None:
    assert derive_ticket_secret("auth-token") == derive_ticket_secret("auth-token")
    assert derive_ticket_secret("auth-token") != derive_ticket_secret("auth-token2")
    assert b"auth-token" not in derive_ticket_secret("auth-token")
    assert repr([derive_ticket_secret("auth-token")]) == "[b'***']"


def test_a_ticket_is_not_shown_in_reprs() -> None:
    ticket = issue_ticket(SECRET, "kore", "supersim", "HS1")
    found = verify_ticket(segments(ticket), [KEY])
    assert ticket.nonce not in repr(ticket)
    assert ticket.nonce not in repr(found)
