"""The emulator responds to every documented path and method as the documents say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, World
from tests.emulator.api import Api
from tests.parity.differences import RESPONSES
from tests.parity.documents import Operation
from tests.parity.schemas import violations
from tests.parity.test_documents import KINDS, each_operation


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    async with Emulator(sims=2, clock=clock) as running:
        yield running


def prepare(world: World) -> dict[str, str]:
    """Create one record of each kind; returns their names in paths."""
    wireless = world.add_sim("wireless", status="active", unique_name="w")
    supersim = world.add_sim(
        "supersim", status="active", unique_name="s", fleet_sid=next(iter(world.fleets))
    )
    world.use_data("wireless", wireless.sid, upload=1)
    names = {"DE": wireless.sid, "HS": supersim.sid}
    names["DC"] = world.send_command("wireless", wireless.sid, "hello").sid
    names["HC"] = world.send_command("supersim", supersim.sid, "hello").sid
    names["HG"] = world.send_command("supersim", supersim.sid, "aGk=", transport="ip").sid
    names["WP"] = world.add_rate_plan("unused").sid
    return names


def path_of(operation: Operation, api: Api, world: World, names: dict[str, str]) -> str:
    kind = KINDS[operation.product, operation.list_path]
    path = operation.list_path
    if kind.parent is not None:
        parent = names.get(kind.parent.sid_prefix) or next(iter(world.store(kind.parent)))
        path = path.format(parent=parent)
    if not operation.is_item:
        return path
    if (operation.verb, kind.path) == ("delete", "/v1/Sims"):
        return f"{path}/{world.add_sim('wireless', status='canceled').sid}"
    sid = names.get(kind.sid_prefix)
    if sid is None and kind.path == "/v1/ESimProfiles":
        sid = world.add(kind, status="available").sid
    if sid is None and kind.path == "/v1/Events":
        sid = world.add(kind, resource_sid=names["DE"], event_date=world.now()).sid
    if sid is None:  # built-in records; a profile's networks are the vendor's
        own = kind if kind.parent is None else KINDS["supersim", "/v1/Networks"]
        sid = next(iter(world.store(own)))
    return f"{path}/{sid}"


def form_of(operation: Operation, world: World) -> dict[str, Any]:
    """A body that is accepted."""
    card = world.registrable[0]
    network = next(iter(world.store(KINDS["supersim", "/v1/Networks"])))
    forms: dict[str, dict[str, Any]] = {
        "/v1/Commands": {"Sim": "w", "Command": "hello"},
        "/v1/SmsCommands": {"Sim": "s", "Payload": "hello"},
        "/v1/IpCommands": {"Sim": "s", "Payload": "hello", "DevicePort": 7},
        "/v1/ESimProfiles": {"Eid": "89049032005008882600033489000000"},
        "/v1/Fleets": {"NetworkAccessProfile": "default", "DataLimit": 5},
        "/v1/NetworkAccessProfiles/{NetworkAccessProfileSid}/Networks": {"Network": network},
        "/v1/NetworkAccessProfiles": {"UniqueName": "mine", "Networks": network},
        "/v1/RatePlans": {"UniqueName": "mine"},
        "/v1/Sims": {"Iccid": card.iccid, "RegistrationCode": card.registration_code},
        "/v1/secrets": {"Name": "mine"},
        "/v1/secrets/{id}": {"Name": "mine"},
        "/v1/Fleets/{Sid}": {"DataLimit": 6},
    }
    return forms.get(operation.path, {"UniqueName": "another"})


def missing(schema: dict[str, Any], value: Any) -> set[str]:
    """Properties of the schema that a body lacks."""
    return set(schema.get("properties", {})) - set(value)


@each_operation
async def test_every_operation_responds_with_a_documented_status(
    emulator: Emulator, operation: Operation
) -> None:
    world = emulator.world(operation.vendor)
    names = prepare(world)
    async with aiohttp.ClientSession() as session:
        api = Api(emulator, session, operation.vendor, operation.product)
        path = path_of(operation, api, world, names)
        if operation.product == "webhooks":
            got = await api.send_json(operation.method.upper(), path, form_of(operation, world))
        else:
            body = urlencode(form_of(operation, world)) if operation.method == "post" else None
            got = await api.send(operation.method.upper(), path, body)
    assert str(got.status) in operation.success, got.body
    if operation.response is not None:
        assert not missing(operation.response, got.body)
        found = set(violations(operation.document, operation.response, got.body))
        meant = [end for name, end in RESPONSES if name == operation.document]
        assert not [one for one in found if not one.endswith(tuple(meant))]
    if operation.rows is not None:
        key, schema = operation.rows
        assert all(not missing(schema, row) for row in got.body[key])


def test_the_schema_check_finds_violations() -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string", "pattern": "^x", "maxLength": 2},
            "b": {"type": "array", "items": {"type": "integer"}},
            "c": {"type": "string", "enum": ["one"], "nullable": True},
        },
    }
    name = "kore_webhook_v1"
    assert set(violations(name, schema, {"a": "xy", "b": [1], "c": None})) == set()
    assert set(violations(name, schema, {"a": "yyy", "b": [True], "c": "two", "d": 1})) == {
        ".a: pattern",
        ".a: length",
        ".b[]: not integer",
        ".c: not in enum",
        ".d: unknown",
    }
    assert set(violations(name, schema, {"b": None})) == {".a: missing", ".b: null"}
