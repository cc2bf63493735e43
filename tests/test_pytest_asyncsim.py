"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from importlib import import_module

import pytest

pytest_plugins = ["pytester"]

# In-process, and without this suite's xdist and ini settings.
QUIET = ("-p", "no:xdist", "-p", "no:cacheprovider", "-q")


@pytest.fixture(scope="module", autouse=True)
def _modules_are_loaded() -> None:
    """A run in this process unloads what it has imported: a second copy is another class."""
    for package in ("callbacks", "emulator", "http", "models", "resources", "waiting"):
        path = import_module(f"asyncsim.{package}").__path__
        for found in pkgutil.walk_packages(path, f"asyncsim.{package}."):
            import_module(found.name)
    for name in ("requests", "twilio.rest"):
        import_module(name)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    # Each run would otherwise warn about pytest-asyncio's default.
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def test_a_suite_that_does_not_use_it_loads_one_small_module() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import pytest_asyncsim;"
        " print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["pytest_asyncsim"]


def test_a_run_without_its_fixtures_does_not_import_the_package(suite: pytest.Pytester) -> None:
    suite.makepyfile("import sys\ndef test(): assert 'asyncsim' not in sys.modules")
    run = suite.runpytest_subprocess(*QUIET)
    run.assert_outcomes(passed=1)


def test_sync_tests_use_it_over_http_and_each_has_its_own_state(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest, requests

        def activate(emulator):
            sim = emulator.sims()[0]
            assert sim.status == "new"
            url = f"{emulator.hosts.supersim}/v1/Sims/{sim.sid}"
            return requests.post(url, data={"Status": "active"}, auth=emulator.auth).status_code

        @pytest.mark.parametrize("number", [1, 2])
        def test_own_state(sim_emulator, number):
            assert activate(sim_emulator) == 202
            assert [one.method for one in sim_emulator.requests] == ["POST"]

        def test_shared_in_a_session_1(sim_emulator_session, sim_emulator):
            assert sim_emulator.url != sim_emulator_session.url
            assert activate(sim_emulator_session) == 202

        def test_shared_in_a_session_2(sim_emulator_session):
            assert sim_emulator_session.sims()[0].status != "new"

        def test_the_environment(sim_emulator):
            assert sim_emulator.environ == {
                "ASYNCSIM_EMULATOR": sim_emulator.url, "ASYNCSIM_EMULATOR_SPEED": "1000"
            }
        """
    )
    suite.runpytest_inprocess(*QUIET, "-W", "error").assert_outcomes(passed=5)


def test_twilio_python_is_pointed_at_it_by_one_line(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        from twilio.base.exceptions import TwilioRestException

        def test_twilio(sim_emulator):
            client = sim_emulator.twilio_client()
            sim = client.supersim.v1.sims.list(limit=1)[0]
            assert sim.sid == sim_emulator.sims()[-1].sid
            assert client.supersim.v1.sims(sim.sid).update(status="active").status == "scheduled"
            with pytest.raises(TwilioRestException, match="404"):
                client.messages.create(to="+15005550006", from_="+15005550006", body="x")
        """
    )
    suite.runpytest_inprocess(*QUIET, "-W", "error").assert_outcomes(passed=1)


CLIENT = """
    import pytest

    MARK
    async def test_client(asyncsim_client, sim_emulator):
        sims = asyncsim_client.supersim.sims
        sim = await sims.update_and_wait(sim_emulator.sims()[0].sid, status="active", timeout=60)
        assert sim.status == "active"
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_async_tests_have_an_open_client_in_both_modes(suite: pytest.Pytester, mode: str) -> None:
    mark = "@pytest.mark.asyncio" if mode == "strict" else ""
    suite.makepyfile(CLIENT.replace("MARK", mark))
    run = suite.runpytest_inprocess(*QUIET, "-W", "error", f"--asyncio-mode={mode}")
    run.assert_outcomes(passed=1)


def test_with_anyio_async_tests_have_an_open_client(suite: pytest.Pytester) -> None:
    suite.makepyfile(CLIENT.replace("MARK", "@pytest.mark.anyio"))
    suite.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
    run = suite.runpytest_inprocess(*QUIET, "-p", "no:asyncio")
    run.assert_outcomes(passed=1)


def test_without_a_plugin_for_async_tests_the_client_says_what_to_install(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile("def test(asyncsim_client): pass")
    suite.makeini("[pytest]\n")
    run = suite.runpytest_inprocess(*QUIET, "-p", "no:asyncio", "-p", "no:anyio")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["*pip install pytest-asyncio (or anyio)*"])


def test_options_come_before_ini_settings_and_markers_before_both(suite: pytest.Pytester) -> None:
    suite.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
        "sim_emulator_sims = 3\nsim_emulator_speed = 50\n"
    )
    suite.makepyfile(
        """
        import pytest
        from asyncsim.emulator import Faults

        def test_settings(sim_emulator):
            assert len(sim_emulator.sims()) == 3
            assert sim_emulator.environ["ASYNCSIM_EMULATOR_SPEED"] == "20"

        @pytest.mark.sim_emulator(sims=1, faults=Faults(failing_updates=1.0), vendor="kore")
        async def test_marker(sim_emulator, asyncsim_client):
            assert len(sim_emulator.sims()) == 1
            assert sim_emulator.faults.failing_updates == 1.0
            assert asyncsim_client.vendor.name == "kore"
        """
    )
    run = suite.runpytest_inprocess(*QUIET, "--asyncio-mode=auto", "--sim-emulator-speed=20")
    run.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("'x'", "takes keywords only"),
        ("sim=1", "*unexpected keyword*sim"),
        ("sims=-1", "sims >= 0"),
    ],
)
def test_a_wrong_marker_is_named(suite: pytest.Pytester, marker: str, message: str) -> None:
    suite.makepyfile(
        f"import pytest\n@pytest.mark.sim_emulator({marker})\ndef test(sim_emulator): pass"
    )
    run = suite.runpytest_inprocess(*QUIET)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([f"*sim_emulator*{message}*"])


def test_a_failed_tests_report_has_requests_and_timelines_and_no_ticket(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        import time, requests

        def test_passes(sim_emulator):
            requests.get(sim_emulator.hosts.supersim + "/v1/Sims", auth=sim_emulator.auth)

        def test_fails(sim_emulator):
            sid = sim_emulator.sims()[0].sid
            url = f"{sim_emulator.hosts.supersim}/v1/Sims/{sid}"
            form = {"Status": "active", "CallbackUrl": "http://127.0.0.1:1/a-ticket"}
            for _ in range(60):
                requests.post(url, data=form, auth=sim_emulator.auth)
            end = time.monotonic() + 10
            while sim_emulator.sims()[0].status != "active" and time.monotonic() < end:
                pass
            while not sim_emulator.deliveries and time.monotonic() < end:
                pass
            assert sid == "HS-other"
        """
    )
    run = suite.runpytest_inprocess(*QUIET, "--tb=short")
    run.assert_outcomes(passed=1, failed=1)
    out = run.stdout.str()
    run.stdout.fnmatch_lines(
        [
            "*- Emulator (sim_emulator) -*",
            "requests: 60, the latest 40",
            "*POST twilio/supersim/v1/Sims/HS*Status=active CallbackUrl*",
            "SIMs that changed: 1",
            "  HS*0.000 s new, *scheduled, *active",
            "callbacks: 1",
            "*HS*  failed *",
        ]
    )
    assert out.count("Emulator (sim_emulator)") == 1
    assert "a-ticket" not in out
    assert "emulated-auth-token" not in out
    times = re.findall(r"^ +(-?[\d.]+) s  \d+.*POST twilio/", out, re.MULTILINE)
    assert len(times) == 40
    assert all(0 <= float(one) < 60 for one in times)


def test_workers_of_xdist_have_emulators_of_their_own(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three processes: the other plugins of this environment would take seconds to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "xdist", "-p", "pytest_asyncsim")
    suite.makepyfile(
        """
        import pytest, pathlib

        @pytest.mark.parametrize("number", range(4))
        def test_parallel(sim_emulator_session, number, worker_id):
            path = pathlib.Path(FOLDER) / worker_id
            path.write_text(sim_emulator_session.url)
        """.replace("FOLDER", repr(str(suite.mkdir("urls"))))
    )
    run = suite.runpytest_subprocess(*plugins, "-q", "-p", "no:cacheprovider", "-n", "2")
    run.assert_outcomes(passed=4)
    urls = [path.read_text() for path in (suite.path / "urls").iterdir()]
    assert len(urls) == 2
    assert len(set(urls)) == 2
