"""What the referees may find, and why: everything else fails."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen


@frozen
class Found:
    """One finding of a referee."""

    document: str
    operation: str
    what: str

    def __str__(self) -> str:
        return f"{self.document}  {self.operation}  {self.what}"


@frozen
class Known:
    """A kind of finding that is no fault of ours; patterns match as a whole."""

    document: str
    operation: str
    what: str
    why: str

    def covers(self, found: Found) -> bool:
        pairs = [
            (self.document, found.document),
            (self.operation, found.operation),
            (self.what, found.what),
        ]
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


PRISM: list[Known] = []

SCHEMATHESIS: list[Known] = []


def unknown(found: Iterable[Found], known: list[Known]) -> list[str]:
    """The findings that no line of a baseline covers, each once."""
    news = {str(one) for one in found if not any(line.covers(one) for line in known)}
    return sorted(news)


def unused(found: Iterable[Found], known: list[Known], document: str) -> list[str]:
    """Lines about a document that nothing was found for any more."""
    seen = list(found)
    return [
        line.what
        for line in known
        if re.fullmatch(line.document, document) and not any(map(line.covers, seen))
    ]
