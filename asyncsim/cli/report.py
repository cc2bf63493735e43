"""What a run did, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from asyncsim.cli import terminal
from asyncsim.cli.output import Format, print_one
from asyncsim.cli.progress import worded
from asyncsim.cli.runs import Run
from asyncsim.observers import Tally

_SHOWN = 10
"""Failures told one by one; the rows on stdout have all."""


def report(run: Run, tally: Tally) -> dict[str, Any]:
    """The report as names and values."""
    ended = Counter(_end(outcome) for outcome in run.outcomes.values())
    settled: Counter[str] = Counter(dict.fromkeys(("callback", "sweep", "read", "answer"), 0))
    settled.update(o.settled_by for o in run.outcomes.values() if o.ok and o.settled_by)
    lines: dict[str, Any] = {
        "sims": run.asked,
        "ended": dict(ended),
        "settled_by": dict(settled),
        "requests": tally.requests,
        "requests_per_sim": round(tally.requests / max(run.asked, 1), 3),
        "refused_429": tally.limited,
        "sent_again": tally.retried,
        "seconds": round(run.seconds, 1),
    }
    return lines if len(run.outcomes) == run.asked else lines | _rest(run)


def _rest(run: Run) -> dict[str, Any]:
    """What an interrupted run leaves."""
    sent = len(run.unfinished)
    return {"unfinished": sent, "not_sent": run.asked - len(run.outcomes) - sent}


def _end(outcome: Any) -> str:
    if outcome.ok:
        return str(outcome.sim.status)
    return "timed out" if isinstance(outcome.error, TimeoutError) else "failed"


_LABELS = {
    "sims": "SIMs",
    "ended": "ended",
    "settled_by": "settled by",
    "requests": "requests",
    "requests_per_sim": "requests per SIM",
    "refused_429": "refused with 429",
    "sent_again": "sent again",
    "seconds": "seconds",
    "unfinished": "unfinished",
    "not_sent": "not sent",
    "verified_active": "verified active",
}


def show(lines: dict[str, Any], format: Format) -> None:
    """Print the report as data."""
    if format == "table":
        terminal.show(grid(lines))
    else:
        print_one(format, lines if format == "json" else _flat(lines))


def _flat(lines: dict[str, Any]) -> dict[str, Any]:
    """Counts as columns of their own: `settled_by_callback`."""
    flat: dict[str, Any] = {}
    for name, value in lines.items():
        parts = value.items() if isinstance(value, dict) else ((None, value),)
        flat.update({f"{name}_{part}" if part else name: number for part, number in parts})
    return flat


def grid(lines: dict[str, Any]) -> Table:
    """The report to read."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in lines.items():
        table.add_row(_LABELS.get(name, name), _text(value))
    return table


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return worded(Counter(value)) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def tell_failures(run: Run) -> None:
    """Name the first failures on stderr."""
    failures = list(run.failures.values())
    for outcome in failures[:_SHOWN]:
        text = str(outcome.error)
        terminal.say(text if outcome.sid in text else f"{outcome.sid}: {text}")
    if len(failures) > _SHOWN:
        terminal.say(f"... and {len(failures) - _SHOWN:,} more")


def tell_unfinished(sids: Iterable[str]) -> None:
    """Name what an interrupted run left in the air, on stderr."""
    left = sorted(sids)
    for sid in left[:_SHOWN]:
        terminal.say(f"{sid}: sent or about to be, not settled")
    if len(left) > _SHOWN:
        terminal.say(f"... and {len(left) - _SHOWN:,} more")
