"""pytest plugin of asyncsim: fixtures with an emulator of both vendors.

Outside the package, because pytest imports it in every suite of an environment in which asyncsim is
installed: what it needs of asyncsim is imported by the fixtures that use it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asyncsim import Client
    from asyncsim.emulator import ThreadedEmulator

_MARKER = (
    "sim_emulator(sims=..., speed=..., faults=..., vendor=...): settings of `sim_emulator` in this"
    " test, as asyncsim.emulator.Emulator takes them; vendor is that of `asyncsim_client`"
)
_SETTINGS = {
    "sims": (int, 10, "SIMs of each product at each vendor"),
    "speed": (float, 1000.0, "times as fast as the vendors"),
    "seed": (int, 0, "the same seed gives the same SIMs and latencies"),
}
_FIXTURES = ("sim_emulator", "sim_emulator_session")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini settings of the emulators."""
    group = parser.getgroup("asyncsim", "emulator of Twilio's and KORE's SIM APIs")
    for name, (kind, default, text) in _SETTINGS.items():
        group.addoption(f"--sim-emulator-{name}", type=kind, default=None, help=text)
        parser.addini(f"sim_emulator_{name}", f"{text} (default: {default:g})", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and `asyncsim_client` with the plugin that runs async fixtures."""
    config.addinivalue_line("markers", _MARKER)
    holder = ModuleType("pytest_asyncsim_client")
    holder.asyncsim_client = _client_fixture(config)  # type: ignore[attr-defined]  # a namespace
    config.pluginmanager.register(holder, "asyncsim_client")


@pytest.fixture
def sim_emulator(request: pytest.FixtureRequest) -> Iterator[ThreadedEmulator]:
    """An emulator of both vendors for this test, in a thread: `url`, `hosts`, `client()`, ..."""
    with _emulator(request.config, _marked(request.node)) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def sim_emulator_session(pytestconfig: pytest.Config) -> Iterator[ThreadedEmulator]:
    """One emulator for all tests of this process; under xdist each worker has its own."""
    with _emulator(pytestconfig, {}) as emulator:
        yield emulator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add requests and timelines of the emulators that a failed test used to its report."""
    report = yield
    if report.failed and report.when in ("setup", "call"):
        used = getattr(item, "funcargs", {})
        for name in _FIXTURES:
            if name in used:
                report.sections.append((f"Emulator ({name})", used[name].activity()))
    return report


async def _client(
    request: pytest.FixtureRequest, sim_emulator: ThreadedEmulator
) -> AsyncIterator[Client]:
    """An open `asyncsim.Client` of `sim_emulator`."""
    async with sim_emulator.client(_marked(request.node).get("vendor", "twilio")) as client:
        yield client


def _client_fixture(config: pytest.Config) -> Any:
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # loaded already: it is the plugin

        # Its own decorator works in both modes, strict and auto.
        return pytest_asyncio.fixture(name="asyncsim_client")(_client)
    if config.pluginmanager.hasplugin("anyio"):
        return pytest.fixture(name="asyncsim_client")(_client)

    @pytest.fixture(name="asyncsim_client")
    def missing() -> None:
        """An open `asyncsim.Client`; needs pytest-asyncio or anyio."""
        raise pytest.UsageError(
            "asyncsim_client is an async fixture: pip install pytest-asyncio (or anyio),"
            " or use sim_emulator.client() in a loop of your own"
        )

    return missing


def _marked(node: Any) -> dict[str, Any]:
    """The keywords of all `sim_emulator` markers of a test, the closest one's last."""
    found: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("sim_emulator"))):
        if marker.args:
            raise pytest.UsageError("pytest.mark.sim_emulator takes keywords only: sims=5")
        found |= marker.kwargs
    return found


def _emulator(config: pytest.Config, marked: dict[str, Any]) -> ThreadedEmulator:
    from asyncsim import ConfigurationError
    from asyncsim.emulator import Emulator, ThreadedEmulator

    settings = {name: _setting(config, name) for name in _SETTINGS}
    given = {name: value for name, value in marked.items() if name != "vendor"}
    try:
        return ThreadedEmulator(Emulator(**{**settings, **given}))
    except (ConfigurationError, TypeError, ValueError) as error:
        raise pytest.UsageError(f"settings of sim_emulator: {error}") from error


def _setting(config: pytest.Config, name: str) -> Any:
    """An option, else the ini setting, else the default."""
    kind, default, _ = _SETTINGS[name]
    option, ini = config.getoption(f"sim_emulator_{name}"), config.getini(f"sim_emulator_{name}")
    if option is not None:
        return option
    try:
        return kind(ini) if ini else default
    except ValueError as error:
        raise pytest.UsageError(f"sim_emulator_{name} in the ini file: {error}") from error
