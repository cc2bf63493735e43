"""The vendors' OpenAPI documents by operation, read without using the package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from tests.golden.load import document

# Document -> (vendor, product, the part of its paths that asyncsim supports).
DOCUMENTS: Mapping[str, tuple[str, str, str]] = {
    "twilio_wireless_v1": ("twilio", "wireless", ""),
    "kore_wireless_v1": ("kore", "wireless", ""),
    "twilio_supersim_v1": ("twilio", "supersim", ""),
    "kore_supersim_v1": ("kore", "supersim", ""),
    "twilio_monitor_v1": ("twilio", "monitor", "/Events"),  # alerts are not about SIMs
    "kore_webhook_v1": ("kore", "webhooks", ""),
}

Schema = dict[str, Any]


@frozen(kw_only=True)
class Operation:
    """One method of one path."""

    document: str
    vendor: str
    product: str
    path: str
    method: str
    list_path: str
    """The path without the record's name, and with the parent's as `{parent}`."""
    parameters: dict[str, Schema]
    """Parameters of the query or the body, by name."""
    required: frozenset[str]
    success: frozenset[str]
    response: Schema | None
    """Schema of the successful response's body."""

    @property
    def is_item(self) -> bool:
        return "{" in self.path.rsplit("/", 1)[1]

    @property
    def verb(self) -> str:
        """`list`, `fetch`, `create`, `update` or `delete`."""
        if self.method == "get":
            return "fetch" if self.is_item else "list"
        return {"post": "update" if self.is_item else "create", "patch": "update"}.get(
            self.method, self.method
        )

    @property
    def rows(self) -> tuple[str, Schema] | None:
        """Key of the rows in a list's response, and the schema of a row."""
        if self.verb != "list":
            return None
        properties = (self.response or {}).get("properties", {})
        for key, schema in properties.items():
            found = resolved(self.document, schema)
            if key not in ("meta", "meta_data") and found.get("type") == "array":
                return key, resolved(self.document, found["items"])
        return None

    def __str__(self) -> str:
        return f"{self.document} {self.method} {self.path}"


def resolved(name: str, schema: Schema) -> Schema:
    """Resolve references, and merge the schemas of `allOf`."""
    while "$ref" in schema:
        schema = document(name)["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "allOf" not in schema:
        return schema
    merged: Schema = {**schema, "properties": dict(schema.get("properties", {}))}
    for part in schema["allOf"]:
        merged["properties"].update(resolved(name, part).get("properties", {}))
    return merged


def operations() -> Iterator[Operation]:
    """Every operation of every document."""
    for name, (vendor, product, within) in DOCUMENTS.items():
        for path, methods in document(name)["paths"].items():
            if within not in path:
                continue
            for method, declared in methods.items():
                if method in ("get", "post", "delete", "patch", "put"):
                    yield _operation(name, vendor, product, path, method, declared)


def _operation(
    name: str, vendor: str, product: str, path: str, method: str, declared: Schema
) -> Operation:
    bodies = [one["schema"] for one in declared.get("requestBody", {}).get("content", {}).values()]
    body = resolved(name, bodies[0]) if bodies else {}
    given = [one for one in declared.get("parameters", ()) if one["in"] == "query"]
    schemas = {one["name"]: one["schema"] for one in given} | body.get("properties", {})
    needed = {one["name"] for one in given if one.get("required")} | set(body.get("required", ()))
    responses = {code: one for code, one in declared["responses"].items() if code.startswith("2")}
    contents = [
        next(iter(one["content"].values())) for one in responses.values() if "content" in one
    ]
    return Operation(
        document=name,
        vendor=vendor,
        product=product,
        path=path,
        method=method,
        list_path=re.sub(r"\{\w+\}", "{parent}", re.sub(r"/\{(Sid|id)\}$", "", path)),
        parameters={key: resolved(name, schema) for key, schema in schemas.items()},
        required=frozenset(needed),
        success=frozenset(responses),
        response=resolved(name, contents[0]["schema"]) if contents else None,
    )
