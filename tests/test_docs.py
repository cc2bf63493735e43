"""The documents cover every command, option, fault and state, and their snippets run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

import asyncsim
from asyncsim.bulk import State, Verdict
from asyncsim.cli.app import app
from asyncsim.emulator import Behaviour, Emulator, Faults

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_BUILT_IN = {"--help", "-h", "--version"}


def commands(of: App, path: tuple[str, ...] = ("asyncsim",)) -> Iterator[tuple[str, App]]:
    for name in of:
        if name.startswith("-"):
            continue
        inner = of[name]
        if inner.default_command is not None:
            yield " ".join((*path, name)), inner
        yield from commands(inner, (*path, name))


def options(command: App) -> set[str]:
    return {
        name
        for argument in command.assemble_argument_collection()
        for name in argument.names
        if name.startswith("-")
    } - _BUILT_IN


COMMANDS = dict(commands(app))


def section(command: str) -> str:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {command}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section '## {command}'"
    return found[1]


def test_these_are_the_commands() -> None:
    assert set(COMMANDS) == {
        "asyncsim demo",
        "asyncsim emulate",
        "asyncsim sims list",
        "asyncsim sims get",
        "asyncsim sims update",
        "asyncsim sims wait",
        "asyncsim fleets list",
        "asyncsim fleets get",
        "asyncsim rate-plans list",
        "asyncsim rate-plans get",
        "asyncsim commands list",
        "asyncsim commands get",
        "asyncsim drift",
        "asyncsim activate",
        "asyncsim bulk change",
        "asyncsim bulk register",
        "asyncsim bulk delete",
        "asyncsim bulk reset",
        "asyncsim bulk send",
        "asyncsim completion",
        "asyncsim doctor",
        "asyncsim listen",
        "asyncsim receive",
        "asyncsim auth login",
        "asyncsim auth status",
        "asyncsim auth switch",
        "asyncsim auth logout",
        "asyncsim jobs list",
        "asyncsim jobs status",
        "asyncsim jobs report",
        "asyncsim jobs resume",
        "asyncsim jobs retry-failed",
        "asyncsim jobs submit",
        "asyncsim jobs watch",
        "asyncsim jobs pause",
        "asyncsim jobs cancel",
        "asyncsim jobs purge",
        "asyncsim jobs migrate",
        "asyncsim worker",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    documented = set(re.findall(r"`(--?[a-z][a-z-]*)`", section(command)))
    assert options(COMMANDS[command]) == documented


def test_every_option_of_all_commands_is_documented() -> None:
    cells = re.findall(r"^\| (`-.*?) \|", section("Options of every command"), re.MULTILINE)
    assert options(app.meta) == set(re.findall(r"`(-[a-z-]+)`", " ".join(cells)))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_in_the_help_is_in_the_documents(command: str) -> None:
    (example,) = re.findall(r"Example: (.*)", COMMANDS[command].default_command.__doc__ or "")
    assert f"    {example}\n" in section(command)


def test_the_documents_name_no_unknown_command() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (asyncsim .*)$", text, re.MULTILINE)) == set(COMMANDS)


def test_every_fault_and_behaviour_of_the_emulator_is_documented() -> None:
    text = (DOCS / "emulator.md").read_text(encoding="utf-8")
    names = {field.name for kind in (Faults, Behaviour) for field in kind.__attrs_attrs__}
    assert not {name for name in names if f"`{name}`" not in text}


def test_the_design_describes_every_package_and_names_existing_files() -> None:
    text = (DOCS / "design.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "asyncsim").glob("*/__init__.py")}
    assert described == packages
    named = re.findall(r"`(?:asyncsim/)?([\w/]+\.py)`", text)
    assert [name for name in named if not (ROOT / "asyncsim" / name).exists()] == []


def snippets() -> Iterator[tuple[str, str]]:
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if page.name == "tutorial.md":  # its snippets continue each other
            found = ["\n".join(found)]
        for number, code in enumerate(found):
            yield f"{page.name} {number}", code


SNIPPETS = list(snippets())


@pytest.mark.parametrize(("place", "code"), SNIPPETS, ids=lambda value: value.splitlines()[0])
async def test_every_snippet_runs(
    place: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("altair", "duckdb", "pandas", "polars"):  # the session `notebooks` has them
        if library in code:
            pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    async with Emulator(sims=2, speed=1000) as emulator, emulator.client() as client:
        monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator.url)
        sims = client.supersim.sims
        (sim, *_) = await sims.list()
        Path("batch.csv").write_text(f"iccid\n{sim.iccid}\n")  # noqa: ASYNC240  # a few bytes
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        program = compile(code.replace("HS...", sim.sid), place, "exec", flags=flags)
        result = eval(program, {"asyncsim": asyncsim, "client": client, "sims": sims})
        if result is not None:
            await result


def test_every_state_and_verdict_of_a_job_is_documented() -> None:
    text = (DOCS / "bulk.md").read_text(encoding="utf-8")
    assert not [state.value for state in State if f"`{state.value}`" not in text]
    assert not [verdict.value for verdict in Verdict if f"| {verdict.value} |" not in text]


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert not [t for t in targets if "://" not in t and not (page.parent / t).exists()]
