"""The Jupyter versions of the notebooks in `examples/notebooks`, made from the marimo ones.

`python -m tests.notebooks.convert` writes them. They have no outputs: `nox -s notebooks` runs them.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"


def notebooks() -> list[Path]:
    """The marimo notebooks."""
    return sorted(FOLDER.glob("*.py"))


def converted(source: str) -> str:
    """Convert a marimo notebook to the text of a Jupyter notebook."""
    cells: list[dict[str, Any]] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            cell = _cell(node, source)
            if cell is not None:
                cells.append({**cell, "id": f"cell-{len(cells)}", "metadata": {}})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(node: ast.FunctionDef | ast.AsyncFunctionDef, source: str) -> dict[str, Any] | None:
    """Return the cell of a function; None for `import marimo as mo`, which only texts use."""
    body = node.body[:-1]  # without the return of the names that others use
    match body:
        case [ast.Import(names=[ast.alias(name="marimo")])]:
            return None
        case [ast.Expr(value=ast.Call(func=ast.Attribute(attr="md"), args=[ast.Constant(text)]))]:
            return {"cell_type": "markdown", "source": _lines(inspect.cleandoc(str(text)))}
    lines = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    code = textwrap.dedent("\n".join(lines))
    return {
        "cell_type": "code",
        "execution_count": None,
        "outputs": [],
        "source": _lines(code),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    for path in notebooks():
        text = converted(path.read_text(encoding="utf-8"))
        path.with_suffix(".ipynb").write_text(text, encoding="utf-8")
