"""Validation by the subset of JSON Schema that the documents use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.parity.documents import Schema, resolved

CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def violations(name: str, schema: Schema, value: Any, place: str = "") -> Iterator[str]:
    """Violations, as `place: reason`."""
    schema = resolved(name, schema)
    if value is None:
        if not schema.get("nullable") and "type" in schema:
            yield f"{place}: null"
        return
    kind = schema.get("type")
    if kind and (
        not isinstance(value, CLASSES[kind]) or isinstance(value, bool) != (kind == "boolean")
    ):
        yield f"{place}: not {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: not in enum"
    if isinstance(value, str):
        yield from _text(schema, value, place)
    if isinstance(value, list) and "items" in schema:
        for one in value:
            yield from violations(name, schema["items"], one, f"{place}[]")
    if isinstance(value, dict):
        yield from _object(name, schema, value, place)


def _text(schema: Schema, value: str, place: str) -> Iterator[str]:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: pattern"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{place}: length"


def _object(name: str, schema: Schema, value: dict[str, Any], place: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for key in set(schema.get("required", ())) - set(value):
        yield f"{place}.{key}: missing"
    for key, found in value.items():
        if key in properties:
            yield from violations(name, properties[key], found, f"{place}.{key}")
        elif properties:
            yield f"{place}.{key}: unknown"
