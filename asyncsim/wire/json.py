"""JSON in and out (msgspec).

`loads` is strict. `read` is for a vendor's response, where one malformed text must not lose a
thousand rows: invalid UTF-8, half a surrogate pair and NaN are read, and validated field by field
later. Integers are exact: an ICCID of 20 digits, sent as a number, is beyond 64 bits.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

_BOM = "\ufeff"
_decode = msgspec.json.Decoder().decode


def loads(data: bytes) -> Any:
    """Bytes to plain values; ValueError for anything but JSON in UTF-8."""
    try:
        return _decode(data.removeprefix(_BOM.encode()))
    # msgspec's own errors are ValueErrors from 0.21 on only.
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error) or "nested too deeply") from None


def read(data: bytes) -> Any:
    """Read a vendor's response leniently; ValueError if it is not JSON at all."""
    try:
        return loads(data)
    except ValueError:
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace").removeprefix(_BOM))
        text = json.dumps(value, ensure_ascii=False)
        # Half a surrogate pair can be neither printed nor stored.
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return json.loads(whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Plain values to compact UTF-8."""
    return msgspec.json.encode(value)
