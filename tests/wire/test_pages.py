from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from asyncsim.errors import DecodeError
from asyncsim.wire.pages import decode_page

NEXT = "https://supersim.twilio.com/v1/Sims?Status=new&PageSize=2&Page=1&PageToken=PAHS%2F1"


def test_the_next_page_query_is_kept_exactly_as_sent() -> None:
    page = decode_page({"sims": [], "meta": {"next_page_url": NEXT}}, "sims")
    assert page.next_query == "Status=new&PageSize=2&Page=1&PageToken=PAHS%2F1"
    assert page.next_origin == "https://supersim.twilio.com"


def test_an_origin_never_shows_credentials() -> None:
    page = decode_page(
        {"sims": [], "meta": {"next_page_url": "https://me:pw@evil.example/?a"}}, "sims"
    )
    assert page.next_origin == "https://evil.example"


@pytest.mark.parametrize("meta", [{}, None, {"next_page_url": None}, {"next_page_url": ""}])
def test_a_page_without_a_next_one_is_the_last(meta: Any) -> None:
    page = decode_page({"sims": [1, 2], "meta": meta}, "sims")
    assert (page.rows, page.next_query, page.next_origin) == ([1, 2], None, None)


def test_a_relative_next_page_has_a_query_and_no_origin() -> None:
    page = decode_page({"sims": [], "meta": {"next_page_url": "/v1/Sims?Page=1"}}, "sims")
    assert (page.next_query, page.next_origin) == ("Page=1", None)


def test_rows_are_found_under_the_key_that_meta_names() -> None:
    assert decode_page({"cards": [1], "meta": {"key": "cards"}}, "sims").rows == [1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "expected an object, got list"),
        ({}, "it has no list under 'sims'"),
        ({"sims": {}, "meta": {}}, "it has no list under 'sims'"),
        ({"sims": [], "meta": []}, None),
        ({"sims": [], "meta": [1]}, "its meta is a list"),
        ({"meta": {"key": ["sims"]}}, "it has no list"),
    ],
)
def test_a_malformed_envelope_is_a_decode_error_that_names_the_list(
    value: Any, said: str | None
) -> None:
    if said is None:
        assert decode_page(value, "sims").rows == []
        return
    with pytest.raises(DecodeError, match=f"page of sims: {said}"):
        decode_page(value, "sims")


@pytest.mark.parametrize("url", [7, "https://[::1", ["a"], True], ids=str)
def test_an_invalid_next_page_url_does_not_affect_the_rows_of_its_page(url: object) -> None:
    page = decode_page({"sims": [1, 2], "meta": {"next_page_url": url}}, "sims")
    assert page.rows == [1, 2]
    for link in ("next_query", "next_origin"):
        with pytest.raises(DecodeError, match=r"next page of a list: its next_page_url is "):
            getattr(page, link)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["sims", "meta", "key", "next_page_url"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_gives_a_page_or_a_decode_error(value: Any) -> None:
    try:
        page = decode_page(value, "sims")
        links = (page.next_query, page.next_origin)
    except DecodeError:
        return
    assert all(one is None or isinstance(one, str) for one in links)
