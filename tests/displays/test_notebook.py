"""Displays of notebooks, without a kernel; `tests/notebooks` runs them in real ones."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from asyncsim.displays import Count, Figures, choose_display
from asyncsim.displays.lines import LineDisplay
from asyncsim.displays.notebook import CellOutput, JupyterDisplay, MarimoDisplay
from tests.displays.works import SENDING, FixedWork


class FrontEnd:
    """Keeps the outputs of a cell as a saved notebook would."""

    def __init__(self) -> None:
        self.outputs: dict[str, dict[str, str]] = {}
        self.updates = 0

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> FrontEnd:
        assert raw
        assert display_id
        self.outputs["1"] = bundle
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.outputs["1"] = bundle
        self.updates += 1


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> FrontEnd:
    front_end = FrontEnd()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=front_end.display))
    return front_end


def test_a_kernel_gets_one_output_that_is_replaced(jupyter: FrontEnd) -> None:
    work = FixedWork()
    display = choose_display(work)
    assert isinstance(display, JupyterDisplay)
    display.start()
    assert "312,044/1,000,000" in jupyter.outputs["1"]["text/plain"]
    work.now = evolve(SENDING, done=999_999)
    display.draw()
    display.draw()
    assert jupyter.updates == 1, "what has not changed is not sent again"
    display.say("interrupted after 3.0 s: run it again with the journal <b>.db to continue")
    display.draw()
    display.stop()
    [saved] = jupyter.outputs.values()
    assert saved["text/plain"].splitlines() == [
        "interrupted after 3.0 s: run it again with the journal <b>.db to continue",
        work.now.line(),
    ]
    assert "&lt;b&gt;.db" in saved["text/html"]
    assert "<script" not in saved["text/html"]


def test_a_shell_on_a_terminal_shows_no_html(
    jupyter: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)
    assert isinstance(choose_display(FixedWork()), LineDisplay)


def test_marimo_gets_the_output_of_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    marimo = SimpleNamespace(
        running_in_notebook=lambda: True,
        Html=lambda text: text,
        output=SimpleNamespace(replace=shown.append),
    )
    monkeypatch.setitem(sys.modules, "marimo", marimo)
    display = choose_display(FixedWork())
    assert isinstance(display, MarimoDisplay)
    display.start()
    display.draw()
    display.say("ended")
    display.draw()
    assert len(shown) == 2
    assert "312,044/1,000,000" in shown[0]
    assert ">ended<" in shown[1]


def test_the_bar_is_as_long_as_the_share_that_is_done() -> None:
    html = CellOutput(FixedWork()).mimebundle()["text/html"]
    assert "width:31.2%" in html


def test_everything_is_escaped() -> None:
    figures = Figures(phase="<i>", counts=(Count("<script>", 1),))
    html = CellOutput(FixedWork(figures)).mimebundle()["text/html"]
    assert "<i>" not in html
    assert "<script>" not in html


def test_the_lines_that_stay_are_bounded() -> None:
    output = CellOutput(FixedWork())
    for number in range(100):
        output.add(f"verifying {number}")
    assert len(output.mimebundle()["text/plain"].splitlines()) <= 13


def test_without_rich_or_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose_display(FixedWork()), LineDisplay)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "asyncsim.displays.terminal", raising=False)
    assert isinstance(choose_display(FixedWork()), LineDisplay)
