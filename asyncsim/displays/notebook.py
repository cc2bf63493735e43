"""Displays in the output of a notebook's cell: Jupyter and marimo.

They are static HTML and text, without widgets: a notebook that is saved meanwhile, or after its
kernel has died, shows the last state.
"""

from __future__ import annotations

import importlib
from collections import deque
from html import escape
from typing import Any

from asyncsim import reprs
from asyncsim.displays.figures import Figures, Tone
from asyncsim.displays.show import Work

_LINES = 12  # that stay: a run has a handful of phases, and more when the vendor fails

_TONES: dict[Tone, reprs.Tone] = {"good": "ok", "bad": "bad", "plain": "rest"}


class CellOutput:
    """What is shown of a work: the lines that stay, then the figures."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lines: deque[str] = deque(maxlen=_LINES)

    def add(self, line: str) -> None:
        """Add a line that stays."""
        self._lines.append(line)

    def mimebundle(self) -> dict[str, str]:
        """The present state as HTML and as text."""
        figures = self._work.figures()
        text = "\n".join([*self._lines, figures.line()])
        return {"text/html": self._html(figures), "text/plain": text}

    def _html(self, figures: Figures) -> str:
        lines = list(self._lines)
        title = ""
        if figures.phase is not None:
            title = " · ".join([figures.phase, *figures.words()])
        if not title and lines:
            title = lines.pop()  # how it ended
        bar = ""
        if figures.total:
            share = f"{100 * figures.done / figures.total:.1f}%"
            bar = f'<div class="bar"><span class="ok" style="width:{share}"></span></div>'
        counts = " ".join(  # lines are broken between counts
            f'<span class="key {_TONES[count.tone]}">{escape(str(count))}</span>'
            for count in figures.counts
        )
        notes = "".join(f'<div class="note">{escape(line)}</div>' for line in lines)
        return reprs.card(title, bar, f"<div>{counts}</div>", notes)


class JupyterDisplay:
    """An output of the cell, which is replaced in place by its `display_id`."""

    def __init__(self, work: Work) -> None:
        self._output = CellOutput(work)
        self._last: dict[str, str] = {}
        self._handle: Any = None

    def start(self) -> None:
        """Create the output."""
        # The kernel has imported it: this loads nothing.
        display: Any = importlib.import_module("IPython.display").display
        self._last = self._output.mimebundle()
        self._handle = display(self._last, raw=True, display_id=True)

    def draw(self) -> None:
        """Replace it, if it has changed."""
        bundle = self._output.mimebundle()
        if bundle != self._last:
            self._last = bundle
            self._handle.update(bundle, raw=True)

    def say(self, text: str) -> None:
        """Add a line."""
        self._output.add(text)

    def stop(self) -> None:
        """Do nothing: what was drawn last stays."""


class MarimoDisplay:
    """The output of the cell that runs."""

    def __init__(self, work: Work) -> None:
        self._output = CellOutput(work)
        self._last = ""

    def start(self) -> None:
        """Show it for the first time."""
        self.draw()

    def draw(self) -> None:
        """Replace it, if it has changed."""
        html = self._output.mimebundle()["text/html"]
        if html != self._last:
            self._last = html
            marimo: Any = importlib.import_module("marimo")
            marimo.output.replace(marimo.Html(html))

    def say(self, text: str) -> None:
        """Add a line."""
        self._output.add(text)

    def stop(self) -> None:
        """Do nothing: what was drawn last stays."""
