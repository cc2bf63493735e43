"""Nothing that can never be taken back happens without its number being typed."""

from __future__ import annotations

import sys
from collections.abc import Callable

from asyncsim.bulk import Plan
from asyncsim.cli import terminal
from asyncsim.cli.display import Shown
from asyncsim.cli.plans import told
from asyncsim.cli.signals import answering_no

Confirm = int | Callable[[Plan], bool] | None


def confirmation(given: int | None, shown: Shown, *, piped: bool) -> Confirm:
    """What `bulk.run` is to ask: the number of `--confirm-count`, a person, or nobody."""
    if given is not None:
        return given
    # A file that came through stdin has used up what a person would type into.
    # It is None where the command began with it closed.
    asked = bool(sys.stdin) and sys.stdin.isatty() and sys.stderr.isatty() and not piped
    return _Question(shown) if asked else None


class _Question:
    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def __call__(self, plan: Plan) -> bool:
        self._shown.pause()
        try:
            return self._ask(plan)
        finally:
            self._shown.go_on()

    def _ask(self, plan: Plan) -> bool:
        terminal.stderr().print(told(plan))
        number = f"{plan.irreversible:,}"
        terminal.say(f"{number} SIMs will change in a way that can never be taken back.")
        return _typed(f"Type their number to go on ({plan.irreversible}): ") == plan.irreversible


def _typed(question: str) -> int | None:
    """Read a number; signals mean no."""
    try:
        with answering_no():
            sys.stderr.write(question)
            sys.stderr.flush()
            text = sys.stdin.readline().strip().replace(",", "")
    except (KeyboardInterrupt, OSError):  # the latter: the terminal has gone away
        sys.stderr.write("\n")
        return None
    return int(text) if text.isdecimal() else None
