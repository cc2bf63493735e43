"""What displays show in these tests."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from asyncsim.displays import Count, Figures


class Stopwatch:
    """A manual clock."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@define
class FixedLoad:
    """A client that sends nothing."""

    limit: float = 96.4
    throttled: int = 0


SENDING = Figures(
    phase="sending",
    done=312_044,
    total=1_000_000,
    rate=31_204.4,
    seconds_left=22.05,
    counts=(
        *(Count(name, 1) for name in ("sending", "accepted", "no answer", "already", "impossible")),
        *(Count(name, 1, "bad") for name in ("timed out", "failed", "unknown")),
        Count("done", 312_039, "good"),
        Count("limit", 96.4),
        Count("429s", 1, "bad"),
    ),
)


class FixedWork:
    """A work with figures that a test sets."""

    def __init__(self, figures: Figures = SENDING) -> None:
        self.now = figures
        self.listeners: list[Callable[[str], object]] = []

    def figures(self) -> Figures:
        return self.now

    def on_line(self, listener: Callable[[str], object]) -> None:
        self.listeners.append(listener)

    def ending(self, error: BaseException | None) -> str:
        return "ended" if error is None else f"ended by {type(error).__name__}"
