"""All namespaces, resources and methods of the client: their parameters and types."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
import pytest

import asyncsim
from asyncsim import Client
from asyncsim.resources.base import Verbs
from tests.test_public_surface import PAGING, SUPERSIM_UPDATE, WIRELESS_UPDATE, shown

PAGES = "limit, bad, " + ", ".join(PAGING)
WAIT = "until, timeout"
COMMAND = (
    "command, sim, callback_method, callback_url, command_mode, include_sid,"
    " delivery_receipt_requested"
)
SMS = "sim, payload, callback_method, callback_url"
IP = "sim, payload, device_port, payload_type, callback_url, callback_method"
ESIM = "callback_url, callback_method, generate_matching_id, eid"
AWAIT = "sid, *, until, timeout"

SURFACE = {
    "wireless.sims": {
        "fetch": "sid",
        "update": f"sid, *, {WIRELESS_UPDATE}",
        "delete": "sid",
        "await_transition": "sim, *, until, timeout",
        "update_and_wait": f"sid, *, {WAIT}, {WIRELESS_UPDATE}",
        "prepare_update": f"sid, *, {WAIT}, {WIRELESS_UPDATE}",
        "start_update": f"sid, *, {WAIT}, {WIRELESS_UPDATE}",
        "update_many": "changes, *, window, timeout, progress",
        "history": "sid, *, bad",
        "list": f"*, {PAGES}, status, iccid, rate_plan, eid, sim_registration_code",
    },
    "wireless.rate_plans": {
        "fetch": "sid",
        "create": (
            "*, unique_name, friendly_name, data_enabled, data_limit, data_metering,"
            " messaging_enabled, voice_enabled, national_roaming_enabled, international_roaming,"
            " national_roaming_data_limit, international_roaming_data_limit, data_limit_strategy"
        ),
        "update": "sid, *, unique_name, friendly_name",
        "delete": "sid",
        "list": f"*, {PAGES}",
    },
    "wireless.commands": {
        "fetch": "sid",
        "create": f"*, {COMMAND}",
        "send_and_wait": f"*, {WAIT}, {COMMAND}",
        "await_transition": AWAIT,
        "delete": "sid",
        "list": f"*, {PAGES}, sim, status, direction, transport",
    },
    "wireless.data_sessions": {"list": f"sim, *, {PAGES}"},
    "wireless.usage_records": {"list": f"sim, *, {PAGES}, end, start, granularity"},
    "wireless.account_usage_records": {"list": f"*, {PAGES}, end, start, granularity"},
    "supersim.sims": {
        "fetch": "sid",
        "register": "*, iccid, registration_code",
        "update": f"sid, *, {SUPERSIM_UPDATE}",
        "await_transition": "sim, *, until, timeout",
        "update_and_wait": f"sid, *, {WAIT}, {SUPERSIM_UPDATE}",
        "prepare_update": f"sid, *, {WAIT}, {SUPERSIM_UPDATE}",
        "start_update": f"sid, *, {WAIT}, {SUPERSIM_UPDATE}",
        "update_many": "changes, *, window, timeout, progress",
        "list": f"*, {PAGES}, status, fleet, iccid",
    },
    "supersim.billing_periods": {"list": f"sim, *, {PAGES}"},
    "supersim.ip_addresses": {"list": f"sim, *, {PAGES}"},
    "supersim.fleets": {
        "fetch": "sid",
        "create": (
            "*, network_access_profile, unique_name, data_enabled, data_limit, ip_commands_url,"
            " ip_commands_method, sms_commands_enabled, sms_commands_url, sms_commands_method"
        ),
        "update": (
            "sid, *, unique_name, network_access_profile, ip_commands_url, ip_commands_method,"
            " sms_commands_url, sms_commands_method, data_limit"
        ),
        "list": f"*, {PAGES}, network_access_profile",
    },
    "supersim.network_access_profiles": {
        "fetch": "sid",
        "create": "*, unique_name, networks",
        "update": "sid, *, unique_name",
        "list": f"*, {PAGES}",
    },
    "supersim.network_access_profile_networks": {
        "fetch": "profile, sid",
        "create": "profile, *, network",
        "delete": "profile, sid",
        "list": f"profile, *, {PAGES}",
    },
    "supersim.networks": {"fetch": "sid", "list": f"*, {PAGES}, iso_country, mcc, mnc"},
    "supersim.sms_commands": {
        "fetch": "sid",
        "create": f"*, {SMS}",
        "send_and_wait": f"*, {WAIT}, {SMS}",
        "await_transition": AWAIT,
        "list": f"*, {PAGES}, sim, status, direction",
    },
    "supersim.ip_commands": {
        "fetch": "sid",
        "create": f"*, {IP}",
        "send_and_wait": f"*, {WAIT}, {IP}",
        "await_transition": AWAIT,
        "list": f"*, {PAGES}, sim, sim_iccid, status, direction",
    },
    "supersim.esim_profiles": {
        "fetch": "sid",
        "create": f"*, {ESIM}",
        "create_and_wait": f"*, {WAIT}, {ESIM}",
        "await_transition": AWAIT,
        "list": f"*, {PAGES}, eid, sim_sid, status",
    },
    "supersim.settings_updates": {"list": f"*, {PAGES}, sim, status"},
    "supersim.usage_records": {
        "list": (
            f"*, {PAGES}, sim, fleet, network, iso_country, group, granularity, start_time,"
            " end_time"
        ),
    },
    "monitor.events": {
        "fetch": "sid",
        "list": (
            f"*, {PAGES}, actor_sid, event_type, resource_sid, source_ip_address, start_date,"
            " end_date"
        ),
    },
    "webhooks.secrets": {
        "create": "*, name",
        "update": "id, *, name, status",
        "list": "*, limit, bad, status, page_number, page_size",
    },
}


def members(namespace: Any) -> dict[str, Any]:
    """The resources of a namespace, which creates them on first use."""
    return {name: getattr(namespace, name) for name in dir(namespace) if not name.startswith("_")}


def resources() -> Iterator[tuple[str, Verbs[Any]]]:
    client = Client.twilio("AC1", "token")
    for namespace in ("wireless", "supersim", "monitor", "webhooks"):
        for name, resource in members(getattr(client, namespace)).items():
            yield f"{namespace}.{name}", resource


RESOURCES = dict(resources())


def verbs(resource: Verbs[Any]) -> dict[str, Any]:
    """The methods that the class itself declares, bound; inherited helpers are not included."""
    return {
        name: getattr(resource, name)
        for name, value in vars(type(resource)).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


VERBS = [
    pytest.param(verb, id=f"{place}.{name}")
    for place, resource in RESOURCES.items()
    for name, verb in verbs(resource).items()
]


def test_these_are_the_resources() -> None:
    assert set(RESOURCES) == set(SURFACE)


@pytest.mark.parametrize("place", SURFACE)
def test_a_resource_has_these_methods_with_these_keywords(place: str) -> None:
    assert {name: shown(verb) for name, verb in verbs(RESOURCES[place]).items()} == SURFACE[place]


@pytest.mark.parametrize("place", SURFACE)
def test_a_public_attribute_is_a_method_or_data(place: str) -> None:
    resource = RESOURCES[place]
    public = {name for name in dir(resource) if not name.startswith("_")}
    assert public == {*SURFACE[place], "kind", "resource"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_method_has_a_docstring(verb: Any) -> None:
    assert inspect.getdoc(verb)


@pytest.mark.parametrize("place", SURFACE)
def test_a_resource_docstring_names_its_path_and_source(place: str) -> None:
    said = inspect.getdoc(type(RESOURCES[place])) or ""
    assert f"`client.{place}`" in said
    assert "Source: " in said


def test_the_documents_list_every_resource_with_its_methods() -> None:
    page = Path(__file__).parent.parent / "docs" / "resources.md"
    rows = re.findall(r"^\| `client\.(\S+)` \| (.*) \|$", page.read_text("utf-8"), re.MULTILINE)
    listed = {place: set(re.findall(r"`(\w+)`", verbs)) for place, verbs in rows}
    assert listed == {place: set(verbs) for place, verbs in SURFACE.items()}


# No Any.

RECORDS = {f"record of {place}": resource.kind.model for place, resource in RESOURCES.items()}
# Free-form JSON that depends on the event's type.
FREE = {"Event.event_data"}


def holds_any(hint: Any) -> bool:
    """Whether a type hint contains Any; includes the keywords of a TypedDict."""
    if hint is Any:
        return True
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint, include_extras=False)
        return any(holds_any(one) for one in hints.values())
    if get_origin(hint) is typing.Literal:
        return False
    return any(holds_any(one) for one in get_args(hint))


def open_hints(function: Any) -> list[str]:
    hints = typing.get_type_hints(inspect.unwrap(getattr(function, "__func__", function)))
    parameters = inspect.signature(function, follow_wrapped=False).parameters
    assert "return" in hints, "without a type"
    return [f"{name} of {parameters}" for name, hint in hints.items() if holds_any(hint)]


def test_any_is_found_in_nested_hints() -> None:
    def worst(one: int, *others: list[dict[str, Any]]) -> None: ...

    assert len(open_hints(worst)) == 1
    assert holds_any(typing.Callable[..., int | None]) is False
    assert holds_any(dict[str, list[Any | None]]) is True


@pytest.mark.parametrize("verb", VERBS)
def test_no_method_has_any_in_its_signature(verb: Any) -> None:
    assert open_hints(verb) == []


@pytest.mark.parametrize("name", ["twilio", "kore", "from_env", "open", "close", "vendor"])
def test_no_constructor_of_the_client_has_any_in_its_signature(name: str) -> None:
    found = inspect.getattr_static(Client, name)
    function = found.fget if isinstance(found, property) else getattr(Client, name)
    assert open_hints(function) == []


@pytest.mark.parametrize("kind", [asyncsim.Pager, asyncsim.Page, asyncsim.CallbackReceiver])
def test_no_helper_has_any_in_its_signatures(kind: Any) -> None:
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and not name.startswith("_") and name != "to_dicts":
            hints = {k: v for k, v in value.__annotations__.items() if "Any" in str(v)}
            assert hints == {}, name


@pytest.mark.parametrize("model", RECORDS.values(), ids=RECORDS)
def test_no_record_has_any_in_a_field(model: type[Any]) -> None:
    hints = typing.get_type_hints(model)
    fields = {one.name for one in attrs.fields(model)}
    found = {f"{model.__name__}.{name}" for name in fields if holds_any(hints[name])}
    assert found <= FREE
