"""Images and manifests of `examples`: linted, and what an image installs is installed and run.

Run by `nox -s image`. No container engine is needed, so base images, users and volumes are not
tested.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import venv
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from asyncsim.emulator import Emulator
from tests import deployment, image
from tests.test_services import answers, post, running, until

DOCKERFILES = (image.DOCKERFILE, image.OF_DEPLOYMENT)
OLDEST, NEWEST = "1.27", "1.37"  # versions of Kubernetes; the oldest supports what the files use


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    subprocess.run(["hadolint", str(dockerfile)], check=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_manifests_are_valid_for_kubernetes(version: str) -> None:
    files = map(str, deployment.MANIFESTS)
    checked = ["kubernetes-validate", "--strict", "--kubernetes-version", version, *files]
    subprocess.run(checked, check=True)


def test_the_compose_file_is_valid() -> None:
    check = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    subprocess.run([*check, str(deployment.COMPOSE)], check=True)


def test_compose_lint_finds_nothing_severe() -> None:
    subprocess.run(["compose-lint", "check", str(deployment.COMPOSE)], check=True)


def test_yamllint_finds_nothing() -> None:
    rules = "{extends: relaxed, rules: {line-length: {max: 100}}}"
    checked = ["yamllint", "--strict", "--config-data", rules, str(deployment.FOLDER)]
    subprocess.run(checked, check=True)


def install(root: Path, dockerfile: Path = image.DOCKERFILE) -> str:
    """Install what the image installs in a new environment; return its Python."""
    venv.create(root / "venv", with_pip=True)
    python = str(root / "venv" / "bin" / "python")
    given = image.installed(dockerfile)
    wanted = [str(root / one[1:]) if one[0] == "/" else one for one in given]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


async def test_the_service_runs_with_nothing_but_what_the_image_installs(tmp_path: Path) -> None:
    folder = image.copy_files(tmp_path)
    python = await asyncio.to_thread(install, tmp_path)
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    check = [part.replace("8080", str(port)) for part in image.command("HEALTHCHECK CMD", python)]
    quiet = {**os.environ, "PYTHONPATH": ""}

    async def healthy() -> bool:
        process = await asyncio.create_subprocess_exec(
            *check, env=quiet, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait() == 0

    async with Emulator(sims=1, speed=1000) as emulator:
        (sid,) = emulator.world("twilio").sims("supersim")
        command = image.command("CMD", python)
        assert not await healthy()
        async with running(command, folder, emulator, port, signal.SIGTERM) as service:
            await until(healthy)
            assert (await post(f"{url}/sims/{sid}/activate"))[0] == 202
            await until(lambda: answers(f"{url}/changes/1", state="active"))
        assert service.returncode == 0
