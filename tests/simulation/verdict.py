"""What became of one world."""

from __future__ import annotations

from attrs import define, field

BROKEN = "the world itself broke"
"""What a fault of these tests, and not of the product, begins with."""


@define
class Verdict:
    """What is told of a world when it has ended."""

    seed: int
    faults: list[str]
    kills: int = 0
    """Of the client's process."""
    vendor_kills: int = 0
    requests: int = 0
    seconds: float = 0.0
    """Of the world's own time."""
    digest: str = ""
    """Of every step that was taken: two lives of one seed have the same."""
    story: list[str] = field(factory=list)
