from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from asyncsim.wire.problems import Problem, decode_problem


def test_html_of_a_gateway_is_shortened_to_one_line() -> None:
    problem = decode_problem(b"<html>\n  <h1>502\tBad Gateway</h1>\n" + b"x" * 5000)
    assert problem.code is None
    assert problem.message.startswith("<html> <h1>502 Bad Gateway</h1> xxx")
    assert len(problem.message) == 300


def test_a_long_message_is_shortened() -> None:
    assert len(decode_problem(json.dumps({"message": "m" * 5000}).encode()).message) == 300


@pytest.mark.parametrize("body", [b"", b"   ", b"{}", b'{"message": ""}', b'{"message": null}'])
def test_an_empty_body_gives_an_empty_message(body: bytes) -> None:
    assert decode_problem(body) == Problem(None, "", None)


@pytest.mark.parametrize("body", [b'"no"', b"[1]", b"7"])
def test_json_that_is_no_object_is_shown_unchanged(body: bytes) -> None:
    assert decode_problem(body) == Problem(None, body.decode(), None)


@pytest.mark.parametrize(
    ("code", "number"),
    [("20404", "20404"), ('"20404"', "20404"), ("null", None), ("true", None), ('"x"', None)],
)
def test_a_code_is_a_number_or_nothing(code: str, number: str | None) -> None:
    assert decode_problem(f'{{"code": {code}}}'.encode()).code == (number and int(number))


@given(body=st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    decode_problem(body)


@given(
    st.dictionaries(
        st.sampled_from(["code", "message", "error", "more_info", "info", "detail", "title"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_no_object_raises(value: dict[str, object]) -> None:
    problem = decode_problem(json.dumps(value).encode())
    assert isinstance(problem.message, str)
    assert problem.code is None or isinstance(problem.code, int)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"code": Infinity}', b'{"code": 1e999}'])
def test_a_code_that_is_not_a_number_is_none(body: bytes) -> None:
    assert decode_problem(body).code is None


def test_a_message_is_decoded_after_a_byte_order_mark() -> None:
    problem = decode_problem('\ufeff{"code": 20404, "message": "gone"}'.encode())
    assert (problem.code, problem.message) == (20404, "gone")
