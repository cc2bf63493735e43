"""Completion, as bash carries it out."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

BASH = shutil.which("bash")


LINES = {
    "asyncsim si": "sims",
    "asyncsim auth l": "login logout",
    "asyncsim sims list --prof": "--profile",
    "asyncsim activate --publ": "--public-url",
    "asyncsim sims get --product w": "wireless",
    "asyncsim --ca-bundle x.pem sims li": "list",
    "asyncsim completion f": "fish",
}


@pytest.mark.skipif(BASH is None, reason="needs bash")
async def test_bash_completes_commands_options_and_values(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "asyncsim.bash"
    ended = await cli("completion", "bash")
    assert ended.code == 0
    script.write_text(ended.out)
    program = [f"source {shlex.quote(str(script))}", "complete -p asyncsim >/dev/null || exit 1"]
    for line in LINES:
        last = len(line.split()) - 1
        program += [f"COMP_WORDS=({line}) COMP_CWORD={last}", "_asyncsim", 'echo "${COMPREPLY[@]}"']
    shown = subprocess.run(  # noqa: ASYNC221  # milliseconds
        [str(BASH), "--norc", "-c", "\n".join(program)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == list(LINES.values())
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("shell", "registers"), [("zsh", "#compdef asyncsim"), ("fish", "complete -c asyncsim")]
)
async def test_other_shells_have_scripts_of_their_own(shell: str, registers: str, cli: Cli) -> None:
    ended = await cli("completion", shell)
    assert ended.code == 0
    assert registers in ended.out
    assert "retry-failed" in ended.out
    assert "public-url" in ended.out


async def test_an_unknown_shell_is_wrong_usage(cli: Cli) -> None:
    ended = await cli("completion", "tcsh")
    assert ended.code == 2
    assert "tcsh" in ended.err
