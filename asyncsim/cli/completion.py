"""`asyncsim completion`: scripts that complete commands and options in a shell."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from asyncsim.cli.output import data_stream, until_reader_leaves


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="bash, zsh or fish.")], /
) -> None:
    """Print a shell's completion script.

    Example: asyncsim completion bash > asyncsim.bash
    """
    from asyncsim.cli.app import app  # which imports this module when the command runs

    with until_reader_leaves():
        data_stream().write(app.meta.generate_completion(prog_name="asyncsim", shell=shell))
