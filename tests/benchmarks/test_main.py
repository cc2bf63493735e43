from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as program, cases
from benchmarks.cases.growth import flat, linear
from benchmarks.result import Result, Target

CASES = [Path(cases.__path__[0]) / f"{name}.py" for name in program.names()]
MISSED = Target(what="it", measured=2.0, bound=1.0)


def functions(path: Path) -> set[str]:
    """Read without an import, since some need packages of the extra `bench`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [one for one in tree.body if isinstance(one, ast.ImportFrom)]
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)} | {
        alias.asname or alias.name for one in imported for alias in one.names
    }


def one_case(monkeypatch: pytest.MonkeyPatch, measure: Callable[[], Result]) -> None:
    monkeypatch.setattr(program, "names", lambda: ["one"])
    monkeypatch.setattr(program, "case", lambda name: SimpleNamespace(measure=measure, plot=plot))


def missing() -> Result:
    return Result(name="one", question="Why?", targets=[MISSED])


def plot(result: Result, path: Path) -> None:
    path.write_text(f"a plot of {result.name}")


def failing() -> Result:
    raise ValueError("a wrong response")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_benchmark_has_a_measurement_a_plot_and_a_question(path: Path) -> None:
    assert {"measure", "plot"} <= functions(path)
    assert re.search(r'question=\(?\s*f?"[^"]+\?', path.read_text(encoding="utf-8"))


def test_a_module_with_a_leading_underscore_is_no_benchmark() -> None:
    assert "growth" in program.names()
    assert not [name for name in program.names() if name.startswith("_")]


@pytest.mark.parametrize(
    ("measure", "arguments", "code"),
    [(missing, [], 0), (missing, ["--strict"], 1), (failing, [], 1), (failing, ["one"], 1)],
)
def test_the_exit_code_reports_failures_and_with_strict_missed_targets(
    measure: Callable[[], Result],
    arguments: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one_case(monkeypatch, measure)
    assert program.main([*arguments, "--out", str(tmp_path)]) == code
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["one", "all"]


def test_an_unknown_name_is_rejected_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_case(monkeypatch, failing)
    with pytest.raises(SystemExit):
        program.main(["two"])
    assert "no benchmark two; there are one" in capsys.readouterr().err


def test_twice_the_cost_for_twice_the_work_is_linear() -> None:
    less = {"sims": 10, "wall": 1.0, "cpu": 1.0, "requests": 10, "peak": 5.0, "early": 5.0}
    more = {"sims": 100, "wall": 10.0, "cpu": 12.0, "requests": 100, "peak": 6.0, "early": 5.0}
    assert [one.met for one in linear("it", less, more)] == [True, False, True]
    assert [flat("it", one).met for one in (less, more)] == [True, False]
