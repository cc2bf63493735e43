"""The code blocks of the README."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

_BLOCK = re.compile(
    r"(?:<!-- (?P<name>[a-z-]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@frozen
class Block:
    """One code block."""

    name: str | None
    """The name in the HTML comment before it."""
    language: str
    text: str
    heading: str


def blocks() -> list[Block]:
    """All code blocks, in order."""
    text = README.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        headings = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)
        found.append(Block(match["name"], match["language"], match["text"], headings[-1]))
    return found
