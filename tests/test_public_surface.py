"""The public API. A change here affects users and belongs in the changelog."""

from __future__ import annotations

import inspect
import pickle
import pkgutil
import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import asyncsim
from asyncsim import Client
from asyncsim.resources.supersim.sims import Sims as SuperSims
from asyncsim.resources.wireless.sims import Sims as WirelessSims

NAMES = [
    "KORE", "TWILIO",
    "APIError", "AsyncSimError", "AuthenticationError", "BadRecord", "BadRequest", "Callback",
    "CallbackReceiver", "Client", "ClientClosed", "ConfigurationError", "Conflict",
    "ConnectionFailed", "DecodeError", "Hosts", "InboundCommand", "JobError", "JobStopped",
    "JournalError", "NotConfirmed", "NotFound", "Outcome",
    "OutcomeUnknown", "Page", "Pager", "PerhapsNeverSent", "PermissionDenied", "PostgresBus",
    "PostgresLimit",
    "PreparedUpdate",
    "Product", "QueueTimeout", "RateLimited",
    "ReceiverError", "RequestTimeout", "RetryPolicy", "ServerError", "SignatureError",
    "TargetForgotten", "Throttle",
    "Timeout", "TokenError", "TransitionError", "TransitionFailed", "TransitionTimeout",
    "TransportError",
    "UnreachableStatus", "Unsupported", "Vendor", "Wait", "Watching", "WrongResource",
    "__version__", "connect", "monitor", "supersim", "webhooks", "wireless",
]  # fmt: skip

SETTINGS = (
    "hosts, session, proxy, proxies_from_env, ssl, receiver, ticket_secrets, observers, retry,"
    " throttle, shared_limit, timeout, watching, clock"
)
SUPERSIM_UPDATE = "unique_name, status, fleet, callback_url, callback_method, account_sid"
WIRELESS_UPDATE = (
    "unique_name, callback_method, callback_url, friendly_name, rate_plan, status,"
    " commands_callback_method, commands_callback_url, sms_fallback_method, sms_fallback_url,"
    " sms_method, sms_url, voice_fallback_method, voice_fallback_url, voice_method, voice_url,"
    " reset_status, account_sid"
)
PAGING = ("page_size", "page", "page_token")


def shown(function: Any) -> str:
    """The parameters as text: positional-only before `/`, keyword-only after `*`."""
    parts: list[str] = []
    before = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and before is not parameter.KEYWORD_ONLY:
            parts.append("*")
        elif parameter.kind is not parameter.POSITIONAL_ONLY and before is (
            parameter.POSITIONAL_ONLY
        ):
            parts.append("/")
        parts.append(name)
        before = parameter.kind
    return ", ".join(parts)


def test_these_are_the_public_names() -> None:
    assert set(asyncsim.__all__) == set(NAMES)


def test_the_public_names_are_sorted_and_exist() -> None:
    constants = [name for name in asyncsim.__all__ if name.isupper()]
    others = [name for name in asyncsim.__all__ if not name.isupper()]
    assert asyncsim.__all__ == sorted(constants) + sorted(others)
    assert all(hasattr(asyncsim, name) for name in asyncsim.__all__)


def test_every_public_name_has_a_docstring() -> None:
    for name in asyncsim.__all__:
        if inspect.isclass(getattr(asyncsim, name)):
            assert inspect.getdoc(getattr(asyncsim, name)), name


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (Client.twilio, f"account_sid, auth_token, *, api_key, api_secret, {SETTINGS}"),
        (Client.kore, f"client_id, client_secret, *, webhook_secrets, {SETTINGS}"),
        (Client.from_env, f"vendor, *, {SETTINGS}"),
        (Client.from_profile, f"name, *, {SETTINGS}"),
        (asyncsim.connect, f"vendor, *, {SETTINGS}"),
        (
            Client.rotate,
            "self, *, account_sid, auth_token, api_key, api_secret, client_id, client_secret,"
            " webhook_secrets",
        ),
        (
            asyncsim.CallbackReceiver,
            "public_url, *, host, port, ticket_secrets, twilio_auth_tokens, kore_webhook_secrets,"
            " max_body, max_connections, bus, clock, observers",
        ),
        (asyncsim.Hosts, "*, wireless, supersim, monitor, webhooks, token"),
        (asyncsim.Timeout, "*, request, connect, queue"),
        (asyncsim.RetryPolicy, "*, attempts, base, cap, longest_pause"),
        (asyncsim.Throttle, "*, limit, minimum, maximum, max_rps"),
        (
            asyncsim.Watching,
            "*, timeout, first, longest, sweep_from, sweep_every, safety_every, stale_for, final",
        ),
        (
            asyncsim.Outcome,
            "*, sid, requested, sim, error, settled_by, confirmed, requests, seconds",
        ),
    ],
)
def test_constructors_have_these_parameters(function: Any, parameters: str) -> None:
    assert shown(function) == parameters


VERBS = [
    (SuperSims.fetch, "self, sid"),
    (SuperSims.register, "self, *, iccid, registration_code"),
    (SuperSims.update, f"self, sid, *, {SUPERSIM_UPDATE}"),
    (SuperSims.await_transition, "self, sim, *, until, timeout"),
    (SuperSims.update_and_wait, f"self, sid, *, until, timeout, {SUPERSIM_UPDATE}"),
    (SuperSims.prepare_update, f"self, sid, *, until, timeout, {SUPERSIM_UPDATE}"),
    (SuperSims.start_update, f"self, sid, *, until, timeout, {SUPERSIM_UPDATE}"),
    (SuperSims.update_many, "self, changes, *, window, timeout, progress"),
    (WirelessSims.fetch, "self, sid"),
    (WirelessSims.update, f"self, sid, *, {WIRELESS_UPDATE}"),
    (WirelessSims.delete, "self, sid"),
    (WirelessSims.await_transition, "self, sim, *, until, timeout"),
    (WirelessSims.update_and_wait, f"self, sid, *, until, timeout, {WIRELESS_UPDATE}"),
    (WirelessSims.prepare_update, f"self, sid, *, until, timeout, {WIRELESS_UPDATE}"),
    (WirelessSims.start_update, f"self, sid, *, until, timeout, {WIRELESS_UPDATE}"),
    (WirelessSims.update_many, "self, changes, *, window, timeout, progress"),
    (WirelessSims.history, "self, sid, *, bad"),
]


@pytest.mark.parametrize(("verb", "parameters"), VERBS)
def test_sim_methods_have_these_parameters(verb: Any, parameters: str) -> None:
    assert shown(verb) == parameters


def test_sim_lists_have_these_filters() -> None:
    assert set(shown(SuperSims.list).split(", ")) == {
        "self", "*", "limit", "bad",
        "status", "fleet", "iccid", *PAGING,
    }  # fmt: skip
    assert set(shown(WirelessSims.list).split(", ")) == {
        "self", "*", "limit", "bad",
        "status", "iccid", "rate_plan", "eid", "sim_registration_code",
        *PAGING,
    }  # fmt: skip


def test_the_client_has_these_namespaces() -> None:
    client = Client.twilio("AC1", "token")
    assert set(vars(client)) == {"context", "wireless", "supersim", "monitor", "webhooks"}


NAMESPACES = ("monitor", "supersim", "webhooks", "wireless")


@pytest.mark.parametrize("name", NAMESPACES)
def test_every_record_keyword_set_and_status_is_public_under_its_namespace(name: str) -> None:
    public = getattr(asyncsim, name)
    assert isinstance(public, ModuleType)
    assert public is import_module(f"asyncsim.{name}")
    assert public.__all__ == sorted(public.__all__)
    models = import_module(f"asyncsim.models.{name}")
    for found in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
        module = import_module(found.name)
        own = [one for one in vars(module).values() if inspect.isclass(one)]
        own = [one for one in own if one.__module__ == module.__name__]
        assert own
        for one in own:
            assert getattr(public, one.__name__) is one
            assert one.__name__ in public.__all__
            assert inspect.getdoc(one), one


@pytest.mark.parametrize("name", NAMESPACES)
def test_public_types_are_loaded_when_they_are_first_used(name: str) -> None:
    code = (
        f"import sys, asyncsim; before = 'asyncsim.{name}' in sys.modules;"
        f" asyncsim.{name}.__all__; sys.exit(before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr or f"import asyncsim imports asyncsim.{name}"


def test_a_public_record_shows_its_name_and_can_be_pickled() -> None:
    sim = asyncsim.supersim.Sim(sid="HS1", status="active")
    assert repr(sim).startswith("Sim(sid='HS1', status='active'")
    assert pickle.loads(pickle.dumps(sim)) == sim
