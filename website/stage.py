"""The pages of the site, staged in `build/site/pages` with the layout of the repository.

That layout keeps the relative links of README and documents right. What is generated: the pages
of the reference, one section for each public name, and the page of the examples.
"""

from __future__ import annotations

import ast
import importlib
import shutil
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "site"
PAGES = BUILD / "pages"

COPIED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "asyncsim/events.py",
    "benchmarks/results",
    "docs",
    "examples",
)
REFERENCE = {
    "asyncsim": "Client, settings, errors and records of the package itself.",
    "asyncsim.bulk": "Bulk jobs; needs the extra `bulk`.",
    "asyncsim.events": "What observers are told.",
    "asyncsim.observers": "Ready-made observers.",
    "asyncsim.observers.otel": "Tracing; needs the extra `otel`.",
    "asyncsim.observers.prometheus": "Metrics; needs the extra `prometheus`.",
    "asyncsim.plots": "Charts of what a recorder has kept; needs the extra `plots`.",
    "asyncsim.clock": "Time that a test moves by hand.",
    "asyncsim.emulator": "Both vendors' APIs on your machine.",
    "asyncsim.supersim": "Records, keywords and statuses of Super SIM.",
    "asyncsim.wireless": "Records, keywords and statuses of Programmable Wireless.",
    "asyncsim.monitor": "Records and keywords of Twilio's audit trail.",
    "asyncsim.webhooks": "Records and keywords of KORE's signing secrets.",
}
"""Public modules: their pages are `reference/<last part>.md`."""


_LINKS = {
    "../README.md": "../index.md",
    "](examples)": "](examples/index.md)",
    "](../examples/notebooks)": "](../examples/index.md#notebooks)",
}
"""Links that read otherwise here: folders, and the home page."""


def public_names(module: str) -> list[str]:
    """The names that a public module offers, in the order of its pages."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None)
    if names is None:  # a module that defines what it offers
        names = [name for name, one in vars(found).items() if _is_defined_in(one, name, module)]
    public = [name for name in names if not name.startswith("_")]
    # A module among them has a page of its own.
    return [name for name in public if not isinstance(getattr(found, name), ModuleType)]


def _is_defined_in(value: object, name: str, module: str) -> bool:
    return not name.startswith("_") and getattr(value, "__module__", None) == module


def stage() -> None:
    """Copy and generate all pages."""
    shutil.rmtree(BUILD, ignore_errors=True)
    PAGES.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source, target = ROOT / name, PAGES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    shutil.copy(ROOT / "README.md", PAGES / "index.md")
    for page in (PAGES / "index.md", *(PAGES / "docs").glob("*.md")):
        text = page.read_text("utf-8")
        for link, here in _LINKS.items():
            text = text.replace(link, here)
        page.write_text(text, "utf-8")
    (PAGES / "reference").mkdir()
    for module, about in REFERENCE.items():
        sections = "\n".join(f"::: {module}.{name}\n" for name in public_names(module))
        page = PAGES / "reference" / f"{module.rsplit('.', 1)[-1]}.md"
        page.write_text(f"# {module}\n\n{about}\n\n{sections}", "utf-8")
    (PAGES / "examples" / "index.md").write_text(_examples(), "utf-8")


def _examples() -> str:
    """Show each example with what it prints."""
    lines = ["# Examples", "", "Each runs on the emulator, without an account: `python FILE`.", ""]
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text("utf-8")
        title = (ast.get_docstring(ast.parse(code)) or path.stem).splitlines()[0].rstrip(".")
        lines += [f"## {title}", "", f"[{path.name}]({path.name})", "", "```python", code.rstrip()]
        lines += ["```", ""]
        printed = path.with_suffix(".out")
        if printed.exists():
            text = printed.read_text("utf-8").rstrip()
            lines += ["It prints:", "", "```text", text, "```", ""]
    lines += ["## Services", "", "[The guide](../docs/services.md) explains these.", ""]
    services = sorted((ROOT / "examples" / "services").glob("*.py"))
    lines += [f"- [{path.name}](services/{path.name})" for path in services]
    lines += ["", "## Notebooks", ""]
    notebooks = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
    lines += [f"- [{path.name}](notebooks/{path.name})" for path in notebooks]
    return "\n".join(lines)
