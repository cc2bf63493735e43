"""The checks of this project, each declared once; `.ci/run` calls them too.

`nox -s NAME` runs one; with `--no-venv` it uses the environment it is called from.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.10"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint", "types", "floors"]

PYTHON = ("asyncsim", "tests", "benchmarks", "examples", "noxfile.py")


def install(session: nox.Session) -> None:
    """Install the package and its tools, unless the environment is not ours to change."""
    if session.venv_backend != "none":
        session.install("--editable", ".[dev]")


def install_bench(session: nox.Session) -> None:
    """Install what the benchmarks and their plots need too."""
    if session.venv_backend != "none":
        session.install("--editable", ".[bench]")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, and how much of the code they reach."""
    install(session)
    session.run("python", "-m", "pytest", "--cov", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the mistakes that style shows."""
    install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, because users have either."""
    install(session)
    session.run("mypy", "--strict", *PYTHON)
    session.run("pyright")


@nox.session
def floors(session: nox.Session) -> None:
    """Which module may import which."""
    install(session)
    # Without its cache: a module that appeared since would not be seen by those that import it.
    session.run("lint-imports", "--no-cache")


@nox.session
def contract(session: nox.Session) -> None:
    """Referees that nobody here wrote: Prism and schemathesis hold the emulator to the documents.

    Needs the network once: Prism comes from npm, whose versions are locked, and the Node that
    runs it comes from PyPI.
    """
    if session.venv_backend != "none":
        session.install("--editable", ".[contract]")
    session.run("python", "-m", "tests.contract.prism")
    checks = ("-o", "python_files=check_*.py", "tests/contract")
    session.run("python", "-m", "pytest", *checks, *session.posargs)
    # The rehearsals once more, with Prism in between; but for those that send what no document
    # allows, those whose size is the point, and those whose connections are cut: Prism answers.
    refereed = ("-p", "tests.contract.through_prism", "-s", "-q", "tests/rehearsals")
    others = (f"--ignore-glob=*test_{one}.py" for one in ("refusals", "scale", "lost_answers"))
    session.run("python", "-m", "pytest", *refereed, *others)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill jobs, and the vendor, at random moments: 2,000 SIMs, 20 kills, several times."""
    install(session)
    checks = ("-o", "python_files=check_*.py", "tests/chaos")
    session.run("python", "-m", "pytest", *checks, *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Rehearse with as many SIMs as the figures are about."""
    install(session)
    checks = ("-o", "python_files=check_*.py", "tests/rehearsals")
    session.run("python", "-m", "pytest", *checks, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Activate some SIMs against the emulator, from the command line."""
    install(session)
    session.run("asyncsim", "demo", "--sims", "200", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside the peers, under 15 minutes; `-- NAME` for one, `-- --strict` to fail.

    A missed target is printed and kept, and fails with `--strict` only. Where valgrind is
    installed, instructions are counted too.
    """
    install_bench(session)
    session.run("python", "-m", "benchmarks", *session.posargs)
    session.run("python", "-m", "benchmarks.figures")


@nox.session
def million(session: nox.Session) -> None:
    """Plan a million SIMs; and change a million, as a job and by `update_many`: an hour or so."""
    install_bench(session)
    session.run("python", "-m", "benchmarks", "first_results", "million", *session.posargs)
