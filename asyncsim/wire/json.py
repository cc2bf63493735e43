"""JSON in and out.

`loads` is strict. `read` is for what a vendor sent, where one odd text must not cost a thousand
rows: what is no UTF-8, half a surrogate pair and NaN are read, and judged field by field later.
Whole numbers are exact: an ICCID of 20 digits, sent as a number, is beyond 64 bits.
"""

from __future__ import annotations

import json
import re
from typing import Any


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


# Made once: `json.loads` would make a decoder each time, and look twice for blanks, which is three
# quarters more for one Sim (benchmarks/cases/requests.py).
_STRICT = json.JSONDecoder(parse_constant=_refuse)
_LENIENT = json.JSONDecoder()
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_BOM = "\ufeff"
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How a surrogate is written, alone or with its other half."""


def loads(data: bytes) -> Any:
    """Bytes to plain values; ValueError for anything else than JSON in UTF-8."""
    return _decoded(_STRICT, data.decode())


def read(data: bytes) -> Any:
    """Read what a vendor sent; ValueError where it is no JSON at all."""
    try:
        text = data.decode()
        # One character is found a hundred times as fast as two, and most pages have none.
        if "\\" not in text or not _HALF.search(text):
            return _decoded(_STRICT, text)
    except ValueError:
        text = data.decode("utf-8", "replace")
    value = _decoded(_LENIENT, text)
    try:
        return _decoded(_LENIENT, _whole(_ENCODE(value)))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _decoded(decoder: json.JSONDecoder, text: str) -> Any:
    text = text.removeprefix(_BOM).strip(" \t\n\r")
    try:
        value, end = decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError("more than one value")
    return value


def _whole(text: str) -> str:
    """Replace half surrogate pairs, which can be neither printed nor stored."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def dumps(value: Any) -> bytes:
    """Plain values to compact UTF-8."""
    return _ENCODE(value).encode()
