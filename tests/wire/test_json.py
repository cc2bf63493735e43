from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from asyncsim.wire import json

BOTH: list[Callable[[bytes], Any]] = [json.loads, json.read]

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_a_dumped_value_is_loaded_unchanged(value: Any) -> None:
    for read in BOTH:
        assert read(json.dumps(value)) == value


def test_dumped_json_is_compact_utf_8() -> None:
    assert json.dumps({"a": [1, None, True], "b": "é"}) == '{"a":[1,null,true],"b":"é"}'.encode()


@pytest.mark.parametrize("read", BOTH)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"a":',
        b'{"a": 1} {"a": 2}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":"\\ud800","b":' + b"[" * 100_000,
        b"9" * 10_000,
    ],
    ids=[
        "empty",
        "html",
        "cut off",
        "two",
        "utf-16",
        "too deep",
        "too deep and a lone surrogate",
        "too long",
    ],
)
def test_malformed_json_is_a_value_error(read: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(ValueError):
        read(body)


@pytest.mark.parametrize("read", BOTH)
def test_a_byte_order_mark_is_skipped(read: Callable[[bytes], Any]) -> None:
    assert read('\ufeff {"a": 1}\r\n'.encode()) == {"a": 1}


@pytest.mark.parametrize("body", [b"NaN", b"[-Infinity]", b'"\xff"'])
def test_only_vendor_responses_are_read_leniently(body: bytes) -> None:
    with pytest.raises(ValueError):
        json.loads(body)
    json.read(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "Z\xfcrich", "b": 1}', {"a": "Z\ufffdrich", "b": 1}),
        (b'{"a": "half \\ud83d", "b": 1}', {"a": "half \ufffd", "b": 1}),
        (b'{"a": "\\uDE00", "\\ud83d": 1}', {"a": "\ufffd", "\ufffd": 1}),
        (b'{"a": "\\ud83d\\ude00", "b": "\\\\ud83d"}', {"a": "\U0001f600", "b": "\\ud83d"}),
        (b'{"a": 89883070000123456789, "b": NaN}', {"a": 89883070000123456789}),
    ],
    ids=[
        "latin-1",
        "high surrogate",
        "low surrogate",
        "surrogate pair",
        "NaN next to a long number",
    ],
)
def test_one_malformed_text_leaves_the_rest_readable(body: bytes, value: dict[str, Any]) -> None:
    found = json.read(body)
    assert {name: found[name] for name in value} == value
    assert all(one.encode() for one in found.values() if isinstance(one, str))


@pytest.mark.parametrize("text", [b"1", b'"\\ud800"'], ids=["plain", "lone surrogate"])
def test_deeply_nested_json_is_read_or_a_value_error(text: bytes) -> None:
    for depth in range(200, 1200, 7):
        with contextlib.suppress(ValueError):
            json.read(b"[" * depth + text + b"]" * depth)
