"""JSON through orjson where it is installed (extra `speed`), else the standard library."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # pragma: no cover  # the extra is part of dev
    orjson = None  # type: ignore[assignment]  # absent is a value here


def _loads(data: bytes) -> Any:
    return json.loads(data)


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


loads = _loads if orjson is None else orjson.loads
"""Bytes to plain values; raises ValueError on anything else than JSON."""
dumps = _dumps if orjson is None else orjson.dumps
"""Plain values to compact UTF-8."""
