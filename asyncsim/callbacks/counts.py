"""What came in at a receiver, in numbers."""

from __future__ import annotations

from attrs import define


@define(kw_only=True)
class Counts:
    """How many requests came in, by what became of them."""

    accepted: int = 0
    """Answered with 204; the next two are among them."""
    hints: int = 0
    """Genuine tickets without a signature that proves the rest."""
    duplicates: int = 0
    """Delivered again under an idempotency token seen before; nobody was told twice."""
    refused: int = 0
    """A wrong ticket or signature, or what no vendor sends."""
    not_found: int = 0
    """Other paths, answered with 404; requests for a health check (200) are counted nowhere."""
