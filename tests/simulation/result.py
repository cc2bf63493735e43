"""Result of one world."""

from __future__ import annotations

from attrs import define, field

BROKEN = "the world itself broke"
"""Prefix of an error of these tests, not of the product."""


@define
class WorldResult:
    """What the audit found in a world, and its log."""

    seed: int
    violations: list[str]
    kills: int = 0
    """Of the client's process."""
    vendor_kills: int = 0
    requests: int = 0
    seconds: float = 0.0
    """Of the world's own time."""
    digest: str = ""
    """Of every step that was taken: two runs of one seed have the same."""
    log: list[str] = field(factory=list)
