"""The vendors' four OpenAPI documents, as lists of operations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from tests.golden import load

SPECS = Path(load.__file__).parent / "specs"


class Document(NamedTuple):
    vendor: Literal["twilio", "kore"]
    product: Literal["wireless", "supersim"]

    @property
    def name(self) -> str:
        return f"{self.vendor}_{self.product}_v1"

    @property
    def path(self) -> Path:
        return SPECS / f"{self.name}.json"

    @property
    def operations(self) -> list[str]:
        """`GET /v1/Sims/{}`: parameters without their names, which differ between vendors."""
        return [
            f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
            for path, methods in load.document(self.name)["paths"].items()
            for method in methods
            if method in ("get", "post", "delete")
        ]

    def operation_of(self, method: str, path: str) -> str:
        """The operation that a request is one of; itself, if it is none of these."""
        for operation in self.operations:
            verb, template = operation.split()
            if verb == method and re.fullmatch(template.replace("{}", "[^/]+"), path):
                return operation
        return f"{method} {path}"


DOCUMENTS = [
    Document("twilio", "wireless"),
    Document("twilio", "supersim"),
    Document("kore", "wireless"),
    Document("kore", "supersim"),
]
