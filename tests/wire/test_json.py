from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from asyncsim.wire import json

LOADS: list[Callable[[bytes], Any]] = [json._loads, orjson.loads]
DUMPS: list[Callable[[Any], bytes]] = [json._dumps, orjson.dumps]

# Beyond 64 bits the two differ, see the module's docstring.
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_both_read_what_either_wrote(value: Any) -> None:
    for dumps in DUMPS:
        for loads in LOADS:
            assert loads(dumps(value)) == value


@pytest.mark.parametrize("dumps", DUMPS)
def test_what_is_written_is_compact_utf_8(dumps: Callable[[Any], bytes]) -> None:
    assert dumps({"a": [1, None, True], "b": "é"}) == '{"a":[1,null,true],"b":"é"}'.encode()


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"a":',
        b"NaN",
        b"[Infinity]",
        b'"\xff"',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 100_000,
    ],
    ids=["empty", "html", "cut off", "NaN", "infinity", "not utf-8", "utf-16", "too deep"],
)
def test_what_is_not_json_is_a_value_error(loads: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(ValueError):
        loads(body)


def test_the_quick_one_is_used_where_it_is_installed() -> None:
    assert json.loads is orjson.loads
    assert json.dumps is orjson.dumps
