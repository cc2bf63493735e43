"""The commands of `examples/deployment`, as processes: started, probed, stopped.

With the variables, arguments, probes and grace periods of the files, the least privileges in
PostgreSQL, and nothing else in their environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from attrs import frozen

from asyncsim.emulator import Emulator, Faults
from tests import deployment
from tests.postgres.cluster import Cluster
from tests.postgres.test_roles import PASSWORDS, with_roles
from tests.test_services import status_of, until

SIMS = 60
PUBLIC = "https://example.com/sims"
SECRETS = {"owner": PASSWORDS["OWNER_PASSWORD"], "worker": PASSWORDS["WORKER_PASSWORD"]}
GIVEN = {"PUBLIC_URL": PUBLIC, **PASSWORDS}


@frozen
class Site:
    """What a process finds where it runs: a database, the vendor, the files of a volume."""

    cluster: Cluster
    emulator: Emulator
    folder: Path
    ports: Mapping[str, int]

    def command(self, process: deployment.Process) -> list[str]:
        """The command, with the ports of this test."""
        found = []
        for argument in process.arguments:
            for written, port in self.ports.items():
                argument = argument.replace(f"0.0.0.0:{written}", f"127.0.0.1:{port}")
            public = f"http://127.0.0.1:{self.ports['8080']}/sims"
            found.append(argument.replace(PUBLIC, public))
        return [sys.executable, "-m", "asyncsim.cli", *found]

    def environment(self, process: deployment.Process) -> dict[str, str]:
        """The variables, with the server and the secrets of this test."""
        found = {"ASYNCSIM_EMULATOR": self.emulator.url, "PATH": os.environ["PATH"]}
        for name, text in process.variables.items():
            text = text.replace("@postgres/", f"@127.0.0.1:{self.cluster.port}/")
            text = text.replace("/etc/asyncsim", str(self.folder))
            if text.startswith("secret:"):
                text = SECRETS[text.rpartition("/")[2]]
            found[name] = text
        # Nothing may be written: the root file system is read-only.
        return {**found, "HOME": self.empty, "TMPDIR": self.empty}

    @property
    def empty(self) -> str:
        return str(self.folder / "empty")

    async def start(self, process: deployment.Process) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.command(process),
            env=self.environment(process),
            cwd=self.empty,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, process: deployment.Process) -> tuple[int | None, str]:
        """Run until it ends; its exit code and what it said."""
        started = await self.start(process)
        async with asyncio.timeout(60):
            _, said = await started.communicate()
        return started.returncode, said.decode()

    @asynccontextmanager
    async def running(
        self, process: deployment.Process
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run until the test is done, then as Kubernetes ends it."""
        started = await self.start(process)
        try:
            yield started
        finally:
            if started.returncode is None:
                started.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(process.grace):
                    _, said = await started.communicate()
            except TimeoutError:
                started.kill()
                await started.communicate()
                raise
        assert started.returncode == 0, said.decode()


@pytest.fixture
async def site(
    tmp_path: Path, postgres_cluster: Callable[..., Cluster]
) -> AsyncIterator[Callable[[str], Site]]:
    """A server with the roles, a vendor, and the Secret of the accounts as files."""
    cluster = await asyncio.to_thread(with_roles, postgres_cluster)
    (tmp_path / "empty").mkdir()
    async with Emulator(sims=SIMS, speed=100, faults=Faults(answer_takes=0.02)) as emulator:
        own = emulator.credentials
        (tmp_path / "token").write_text(own.auth_token)
        (tmp_path / "profiles.toml").write_text(
            f'[profiles.meters]\nvendor = "twilio"\naccount_sid = "{own.account_sid}"\n'
            f'auth_token = "file:{tmp_path}/token"\n'
        )
        for name in ("token", "profiles.toml"):
            (tmp_path / name).chmod(0o400)
        (tmp_path / "batch.csv").write_text(csv_of(emulator))

        def at(health: str = "8081") -> Site:
            return Site(cluster, emulator, tmp_path, {**ports, health: unused_port()})

        ports = {"8080": unused_port()}
        yield at


def asyncsim(*arguments: str) -> deployment.Process:
    """A command of a person who has the worker's role and the accounts."""
    variables = deployment.in_kubernetes("asyncsim-worker").variables
    return deployment.Process(arguments=arguments, variables=variables, probes=(), grace=60)


async def healthy(site: Site, process: deployment.Process, option: str) -> bool:
    """Whether all probes get 200."""
    port = site.ports[process.option(option).rpartition(":")[2]]
    try:
        found = [await status_of(f"http://127.0.0.1:{port}{path}") for path in process.probes]
    except OSError:
        return False
    assert process.probes
    return found == [200] * len(process.probes)


@pytest.mark.parametrize("source", ["kubernetes", "compose"])
async def test_the_deployment_runs_a_job_and_ends_in_time(
    source: str, site: Callable[[str], Site]
) -> None:
    def process(name: str) -> deployment.Process:
        if source == "kubernetes":
            return deployment.in_kubernetes(f"asyncsim-{name}")
        found = deployment.in_compose(name, GIVEN)
        # The file account.env.
        return found.with_variables(asyncsim().variables)

    here = site("8081")
    worker, receiver = process("worker"), process("receiver")
    code, said = await here.run(worker)
    assert code not in (0, None)
    assert "asyncsim jobs migrate" in said
    for _ in range(2):
        assert (await here.run(process("migrate")))[0] == 0

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(here.running(receiver))
        another = site("8081")
        stays = await stack.enter_async_context(another.running(worker))
        await until(lambda: healthy(here, receiver, "--listen"))
        await until(lambda: healthy(another, worker, "--health"))
        async with here.running(worker) as leaves:
            await until(lambda: healthy(here, worker, "--health"))
            batch = str(here.folder / "batch.csv")
            submitted = asyncsim(
                *("jobs", "submit", batch, "--name", "meters", "--status", "active"),
                *("--chunk-rows", "10"),
            )
            code, said = await here.run(submitted)
            assert code == 0, said
            await until(lambda: sent(here.emulator) > SIMS // 10)
            for started in (leaves, stays):
                command = command_line(started.pid)
                assert "worker" in command
                assert not [word for word in SECRETS.values() if word in command]
        code, said = await here.run(asyncsim("jobs", "watch", "meters"))
        assert code == 0, said
    assert statuses(here.emulator) == {"active": SIMS}
    assert sent(here.emulator) == SIMS
    assert {one.outcome for one in here.emulator.deliveries} == {"delivered"}
    assert written_to(here.empty) == []


def written_to(folder: str) -> list[Path]:
    """The files that processes have left in a folder."""
    return list(Path(folder).iterdir())


def command_line(pid: int) -> str:
    """The arguments of a process, as every user of the machine can read them."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def csv_of(emulator: Emulator) -> str:
    """A file of all Super SIMs."""
    sims = emulator.world("twilio").sims("supersim").values()
    return "\n".join(["iccid", *(str(sim.iccid) for sim in sims)])


def statuses(emulator: Emulator) -> Counter[str]:
    """Super SIMs by status."""
    return Counter(str(sim.status) for sim in emulator.world("twilio").sims("supersim").values())


def sent(emulator: Emulator) -> int:
    """Changes sent to SIMs."""
    return sum(
        one.method == "POST" and "/Sims/" in one.path and one.status == 202
        for one in emulator.requests
    )


def test_these_processes_need_no_shell() -> None:
    # Kubernetes' preStop runs `sleep`, which the image has as every Debian has.
    (container,) = deployment.pods()["asyncsim-receiver"]["containers"]
    program, *_ = container["lifecycle"]["preStop"]["exec"]["command"]
    assert shutil.which(program)
