"""The shell commands of the pages about PostgreSQL run, one after the other, as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import unused_port

from asyncsim.emulator import Emulator
from tests import deployment
from tests.postgres.check_deployment import csv_of, statuses
from tests.postgres.cluster import OWNER, Cluster

ROOT = deployment.FOLDER.parent.parent
ELSEWHERE = ("pip", "docker", "kubectl")
"""Programs that the tests do not have; what they are given is compared with the files."""

SHELL = """
set -euo pipefail
asyncsim() { "$PYTHON" -m asyncsim.cli "$@"; }
openssl() { echo 0123456789abcdef; }
"""
RECORDED = '{program}() {{ printf "%q " {program} "$@" >> "$RECORD"; echo >> "$RECORD"; }}\n'


TRIAL = "### On one machine, to try it"


def blocks(page: str, section: str = "", without: str = "") -> list[str]:
    """The shell commands of a page, of one of its sections, or without those of one."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    if section or without:
        before, heading, after = text.partition(section or without)
        assert heading, page
        here, below, rest = after.partition("\n### ")
        text = here if section else before + below + rest
    found = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, page
    return found


async def run(script: str, folder: Path, **variables: str) -> list[list[str]]:
    """Run a script in bash; return the commands that programs from elsewhere were given."""
    record = folder / "record"
    record.touch()
    recorded = "".join(RECORDED.format(program=program) for program in ELSEWHERE)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", SHELL + recorded + script),
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, "RECORD": str(record), **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    ends = asyncio.get_running_loop().call_later(120, os.killpg, process.pid, signal.SIGKILL)
    said, _ = await process.communicate()
    ends.cancel()
    with suppress(ProcessLookupError):  # what a script that failed has left in the background
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said.decode()
    return [shlex.split(line) for line in record.read_text("utf-8").splitlines()]


def server(start: Callable[..., Cluster]) -> dict[str, str]:
    """A server with the database of the pages; the variables with which libpq finds it."""
    cluster = start()
    cluster.create_database("asyncsim")
    with cluster.connect() as admin:
        admin.execute(f"ALTER ROLE {OWNER} CREATEDB")
    programs = Path(cluster.program("psql")).parent
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": OWNER,
        "PGPASSWORD": cluster.password,
    }


def copy_examples(folder: Path) -> None:
    shutil.copytree(deployment.FOLDER, folder / "examples" / "deployment")


def options(command: Sequence[str], name: str) -> list[str]:
    """The values of an option that is given more than once."""
    return [one.partition("=")[2] for one in command if one.startswith(f"{name}=")]


async def test_the_page_about_many_machines(
    tmp_path: Path, postgres_cluster: Callable[..., Cluster]
) -> None:
    variables = await asyncio.to_thread(server, postgres_cluster)
    copy_examples(tmp_path)
    commands = blocks("many-machines.md", without=TRIAL)
    parts = (f"(:\n{one})\n" if "cd " in one else one for one in commands)
    script = "\n".join(parts)
    async with Emulator(sims=30, speed=100) as emulator:
        (tmp_path / "batch.csv").write_text(csv_of(emulator))
        given = await run(script, tmp_path, ASYNCSIM_EMULATOR=emulator.url, **variables)
        assert statuses(emulator) == {"active": 30}
    check_compose([one for one in given if one[0] == "docker"], tmp_path)
    check_kubectl([one for one in given if one[0] == "kubectl"])
    assert [one for one in given if one[0] == "pip"] == [
        ["pip", "install", "asyncsim[cli,postgres]"]
    ]


async def test_the_trial_on_one_machine(tmp_path: Path) -> None:
    script = "\n".join(blocks("many-machines.md", section=TRIAL))
    for port in ("8900", "8080"):
        script = script.replace(port, str(unused_port()))
    # Programs instead of functions, so that `kill` reaches them.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = tmp_path / "said"
    script = f"unset -f asyncsim\nexec > {shlex.quote(str(said))} 2>&1\n{script}\nexec >&-"
    try:
        given = await run(script, tmp_path, PATH=programs)
    finally:
        with suppress(FileNotFoundError):  # the server is a daemon
            os.kill(int((tmp_path / "pgdata/postmaster.pid").read_text().split()[0]), signal.SIGINT)
        print(said.read_text("utf-8"))
    text = said.read_text("utf-8")
    assert "50 of 50 at their target" in text
    assert "Traceback" not in text
    assert re.search(r"stopped: [1-9]\d* accepted", text)  # callbacks went through the receiver
    assert given[0][:2] == ["pip", "install"]
    assert not (tmp_path / "pgdata").exists()


def check_compose(given: list[list[str]], folder: Path) -> None:
    """What compose is given: its files have each variable, its services and commands are there."""
    env = folder / "examples" / "deployment" / ".env"
    written = dict(line.split("=", 1) for line in env.read_text("utf-8").splitlines())
    needed = set(re.findall(r"\$\{(\w+):\?", deployment.COMPOSE.read_text("utf-8")))
    assert set(written) == needed
    assert env.stat().st_mode & 0o077 == 0
    services = deployment.services()
    files = {one["env_file"] for one in services.values() if "env_file" in one}
    assert files == {"account.env"}
    assert (env.parent / "account.env").stat().st_mode & 0o077 == 0
    assert given[0][:3] == ["docker", "compose", "up"]
    for command in given[1:]:
        assert command[:4] == ["docker", "compose", "run", "--rm"]
        assert [one for one in command if one in services] == ["worker"]


def check_kubectl(given: list[list[str]]) -> None:
    """What kubectl is given: every key of a Secret that the manifests refer to."""
    secrets = {one[6]: one for one in given if "secret" in one}
    keys = options(secrets["asyncsim-passwords"], "--from-literal")
    referred = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for pod in deployment.pods().values()
        for container in pod["containers"]
        for variable in container["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    assert {key.partition("=")[0] for key in keys} == referred
    file = Path(deployment.in_kubernetes("asyncsim-worker").variables["ASYNCSIM_PROFILES_FILE"])
    assert file.name in options(secrets["asyncsim-accounts"], "--from-file")
    mounted = {
        volume["secret"]["secretName"]
        for pod in deployment.pods().values()
        for volume in pod.get("volumes", ())
        if "secret" in volume
    }
    assert mounted | {"asyncsim-passwords"} == set(secrets)
    assert given[-1] == ["kubectl", "apply", "-k", "."]


async def test_the_page_about_postgresql(
    tmp_path: Path, postgres_cluster: Callable[..., Cluster]
) -> None:
    variables = await asyncio.to_thread(server, postgres_cluster)
    copy_examples(tmp_path)
    async with Emulator(sims=3, speed=100) as emulator:
        (tmp_path / "batch.csv").write_text(csv_of(emulator))
        script = "\n".join(["asyncsim jobs migrate", *blocks("postgresql.md")])
        given = {"ASYNCSIM_JOURNAL": "postgresql://localhost/asyncsim", **variables}
        await run(script, tmp_path, ASYNCSIM_EMULATOR=emulator.url, **given)


@pytest.mark.parametrize("page", ["many-machines.md", "capacity.md", "postgresql.md"])
def test_the_pages_are_in_the_navigation(page: str) -> None:
    assert f'"docs/{page}"' in (ROOT / "zensical.toml").read_text("utf-8")


def test_the_files_are_yaml_that_kubernetes_and_compose_read() -> None:
    for path in (deployment.COMPOSE, *deployment.MANIFESTS):
        assert list(yaml.safe_load_all(path.read_text("utf-8")))
