"""The display that fits where the program runs."""

from __future__ import annotations

import sys
from typing import Any

from asyncsim.displays.lines import LineDisplay
from asyncsim.displays.show import Display, Work


def choose_display(work: Work) -> Display:
    """Choose: marimo's or Jupyter's output, live lines on a terminal, plain lines elsewhere."""
    # A notebook has loaded its own program; other programs never pay for importing one.
    marimo: Any = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        from asyncsim.displays.notebook import MarimoDisplay

        return MarimoDisplay(work)
    ipython: Any = sys.modules.get("IPython")
    # Only a kernel's shell has a front end that shows HTML; IPython on a terminal has none.
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        from asyncsim.displays.notebook import JupyterDisplay

        return JupyterDisplay(work)
    try:
        from asyncsim.displays.terminal import LiveDisplay, stderr_console
    except ModuleNotFoundError:  # without rich
        return LineDisplay(work)
    console = stderr_console()
    return LiveDisplay(work, console) if console.is_terminal else LineDisplay(work)
