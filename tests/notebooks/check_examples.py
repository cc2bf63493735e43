"""The notebooks of `examples/notebooks`, run in Jupyter and in marimo: no error, no warning."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.convert import notebooks

MARIMO = (sys.executable, "-m", "marimo")
CELL_TIMEOUT = 60  # seconds
WARN = "import warnings\nwarnings.simplefilter('error')"
EXPECTED = {
    "first_activation": ["scheduled", "20 of 20 SIMs are at their target"],
    "bulk_with_faults": [
        "300 of 300 SIMs are at their target",
        "settled elsewhere (TransitionFailed)",
    ],
    "waiting_strategy": ["200 of 200 SIMs are at their target"],
}
CHARTS = {"first_activation": 1, "bulk_with_faults": 3, "waiting_strategy": 2}


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
async def test_it_runs_in_jupyter(path: Path, tmp_path: Path) -> None:
    notebook: Any = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WARN))
    resources = {"metadata": {"path": str(tmp_path)}}
    await NotebookClient(notebook, timeout=CELL_TIMEOUT, resources=resources).async_execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {one.output_type for one in outputs} <= {"display_data", "execute_result"}, (
        "nothing is printed or logged"
    )
    text = "\n".join(one.data.get("text/plain", "") for one in outputs)
    for expected in EXPECTED[path.stem]:
        assert expected in text
    charts = [one for one in outputs if "vega-lite" in one.data.get("text/html", "")]
    assert len(charts) == CHARTS[path.stem]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_it_runs_in_marimo(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    copy = shutil.copy(path, tmp_path)  # marimo keeps a cache next to a notebook
    exported = subprocess.run(
        [*MARIMO, "export", "html", str(copy), "--output", str(page), "--no-sandbox"],
        capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert exported.returncode == 0, exported.stdout + exported.stderr
    html = json.dumps(page.read_text(encoding="utf-8"))
    assert "marimo-error" not in html
    for expected in EXPECTED[path.stem]:
        assert expected in html
    assert html.count("vnd.vegalite") >= CHARTS[path.stem]
