"""JSON through orjson where it is installed (extra `speed`), else the standard library.

They differ in one thing: orjson reads a whole number beyond 64 bits as a float. An ICCID of 20
digits sent as a number, as an example in KORE's document has it, is then refused, never rounded.
"""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # pragma: no cover  # the extra is part of dev
    orjson = None  # type: ignore[assignment]  # absent is a value here


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _loads(data: bytes) -> Any:
    # As strict as orjson: UTF-8 only, no NaN, and depth is an error like any other. `json.loads`
    # would make a decoder each time, and look twice for blanks: three quarters more for one Sim
    # (benchmarks/cases/requests.py).
    text = data.decode().strip(" \t\n\r")
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if end != len(text):
        raise ValueError("more than one value")
    return value


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


loads = _loads if orjson is None else orjson.loads
"""Bytes to plain values; raises ValueError on anything else than JSON."""
dumps = _dumps if orjson is None else orjson.dumps
"""Plain values to compact UTF-8."""
