"""All code of the README runs.

Except the two commands that start from an empty environment: `.ci/run` runs those.
"""

from __future__ import annotations

import ast
import asyncio
import codeop
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readme import ROOT, Block, blocks

BLOCKS = blocks()
BIN = Path(sys.executable).parent
IN_CI_RUN = {"demo-command", "test-command"}
SCREEN = 50  # lines
SPEED = "1000"  # of the emulator, and of polling: real pauses are not what is tested here


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def block_called(name: str) -> Block:
    (found,) = [block for block in BLOCKS if block.name == name]
    return found


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """The URL of an emulator started with the README's command: on another port, and faster."""
    command = block_called("emulator-command").text
    for shown, other in (("8900", "0"), ("--speed 100", f"--speed {SPEED}")):
        assert shown in command
        command = command.replace(shown, other)
    program = [sys.executable, "-m", "asyncsim.cli", *command.split()[1:]]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        # Ends, because the process either prints the line or closes its end of the pipe.
        printed = next(line for line in process.stdout if line.startswith("export "))
        yield printed.strip().partition("=")[2]
        process.terminate()
        assert process.wait(timeout=20) == 0


def in_shell(
    command: str, emulator: str, folder: Path, typed: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ASYNCSIM_EMULATOR_SPEED": SPEED,
        **environment,
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace("http://127.0.0.1:8900", emulator)],
        cwd=folder,
        env={**os.environ, **env},
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


snippets = pytest.mark.parametrize(
    "block",
    [
        pytest.param(b, id=f"{b.heading} {n}")
        for n, b in enumerate(BLOCKS)
        if b.language == "python"
    ],
)


@snippets
def test_each_python_snippet_can_be_pasted_into_the_prompt(block: Block) -> None:
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    typed: list[str] = []
    for line in [*block.text.splitlines(), ""]:
        typed.append(line)
        # At the prompt, a block ends at an empty line.
        if compiler("\n".join(typed), symbol="single") is not None:
            typed.clear()
    assert not "".join(typed)


@snippets
async def test_each_python_snippet_runs(
    block: Block,
    emulator: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASYNCSIM_EMULATOR", emulator)
    monkeypatch.setenv("ASYNCSIM_EMULATOR_SPEED", SPEED)
    monkeypatch.chdir(tmp_path)  # some write files
    text = block.text.replace("8080", str(free_port()))
    code = compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with asyncio.timeout(60):
        for _ in range(2):  # users may paste a snippet twice
            result = eval(code, {"__name__": "__main__"})
            if result is not None:
                await result
            assert len(capsys.readouterr().out.splitlines()) <= SCREEN


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{block.heading} {number}")
        for number, block in enumerate(BLOCKS)
        if block.language == "bash" and block.name is None
    ],
)
def test_each_command_runs_and_prints_at_most_a_screen(
    block: Block, emulator: str, tmp_path: Path
) -> None:
    # Twice where it leaves files behind, which a second run finds.
    for _ in range(2 if "batch.csv" in block.text else 1):
        ended = in_shell(block.text, emulator, tmp_path, ASYNCSIM_EMULATOR=emulator)
        assert ended.returncode == 0, ended.stderr
        assert len(ended.stdout.splitlines()) <= SCREEN


def test_the_environment_and_the_prompt_start_as_the_readme_says(
    emulator: str, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    typed = "import asyncsim, os; print(os.environ['ASYNCSIM_EMULATOR'], asyncsim.__name__)\n"
    for name in ("activate-command", "prompt-command"):
        ended = in_shell(block_called(name).text, emulator, tmp_path, typed)
        assert ended.returncode == 0, ended.stderr
    assert f"{emulator} asyncsim" in ended.stdout


def test_every_block_is_run_by_a_test() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python"}
    named = {block.name for block in BLOCKS if block.name}
    assert named == IN_CI_RUN | {"activate-command", "emulator-command", "prompt-command"}
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert all(name in ci for name in IN_CI_RUN)


def test_every_linked_file_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    missing = [t for t in targets if "://" not in t and not (ROOT / t).exists()]
    assert not missing
