"""Builder for waits in the tests of `waiting`."""

from __future__ import annotations

from asyncsim.core.goal import Goal
from asyncsim.core.transition import Transition
from asyncsim.models.supersim.sims import SIMS


def wait(name: str = "HS1", **more: object) -> Transition:
    settings = {"timeout": 1.0, **more}
    return Transition(name=name, goal=Goal(SIMS), started=0.0, on_done=print, **settings)  # type: ignore[arg-type]  # mixed value types
