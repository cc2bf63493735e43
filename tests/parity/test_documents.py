"""The declarations match the vendors' documents exactly.

Each path, method, parameter and property of the OpenAPI documents is compared with the Kind
declarations, and each operation with the client's methods.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from asyncsim.client import Client
from asyncsim.kind import Kind
from asyncsim.vendors import VENDORS
from asyncsim.wire.records import decode, encode
from tests.golden.load import document
from tests.parity import declarations, documents
from tests.parity.declarations import Declared
from tests.parity.differences import DIFFERENCES, Difference
from tests.parity.documents import Operation, Schema

OPERATIONS = list(documents.operations())
KINDS = declarations.kinds()

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def kind_of(operation: Operation) -> Kind[Any]:
    return KINDS[operation.product, operation.list_path]


def keywords_of(operation: Operation) -> dict[str, Declared]:
    """The parameters of our method at this vendor."""
    kind = kind_of(operation)
    keywords = {"list": kind.filters, "create": kind.create, "update": kind.update}
    given: Any = keywords.get(operation.verb)
    if given is None:
        return {}
    found = declarations.parameters(given, operation.list_path, in_query=operation.method == "get")
    return {key: one for key, one in found.items() if one.vendor in (None, operation.vendor)}


def differences(operation: Operation, name: str) -> list[Difference]:
    return [
        one
        for one in DIFFERENCES
        if operation.vendor in one.vendors
        and operation.verb in one.verbs
        and (one.product, one.list_path, one.name) == (operation.product, operation.list_path, name)
    ]


def check(operation: Operation, name: str, ours: Declared, schema: Schema) -> None:
    """Compare the type and the values of one name."""
    known = differences(operation, name)
    theirs = declarations.documented_type(schema)
    if theirs is not None and not any(one.is_typed_otherwise for one in known):
        assert ours.types == {theirs}, name
    more = {value for one in known for value in one.ours}
    fewer = {value for one in known for value in one.theirs}
    assert ours.values - more | fewer == set(schema.get("enum", ())), name


def fields_of(
    operation: Operation, schema: Schema, record: Any, within: str = ""
) -> Iterator[tuple[str, Declared | None, Schema | None]]:
    """Every field of a record, ours next to the document's, nested records included."""
    ours = declarations.fields(record, operation.vendor)
    theirs = schema.get("properties", {})
    for name in sorted(set(ours) | set(theirs)):
        declared = ours.get(name)
        found = theirs.get(name)
        found = None if found is None else documents.resolved(operation.document, found)
        yield f"{within}{name}", declared, found
        inner = None if declared is None else declarations.nested(declared)
        if inner is not None and found is not None:
            items = documents.resolved(operation.document, found.get("items", found))
            if "properties" in items:  # otherwise the document leaves the items open
                yield from fields_of(operation, items, inner, f"{within}{name}.")


def row_schema(operation: Operation) -> Schema | None:
    if operation.verb == "list":
        assert operation.rows is not None
        return operation.rows[1]
    return operation.response


@each_operation
def test_every_path_and_method_is_declared(operation: Operation) -> None:
    kind = kind_of(operation)
    needed = {"list": kind.filters, "create": kind.create, "update": kind.update}
    assert needed.get(operation.verb, kind) is not None


@each_operation
def test_every_parameter_is_declared_and_no_other(operation: Operation) -> None:
    assert set(keywords_of(operation)) == set(operation.parameters)


@each_operation
def test_every_parameter_has_its_type_and_its_values(operation: Operation) -> None:
    for name, ours in keywords_of(operation).items():
        check(operation, name, ours, operation.parameters[name])


@each_operation
def test_a_parameter_is_required_if_the_document_requires_it(operation: Operation) -> None:
    ours = {name for name, one in keywords_of(operation).items() if one.required}
    assert ours == operation.required


@each_operation
def test_every_property_is_declared_and_no_other(operation: Operation) -> None:
    schema = row_schema(operation)
    if schema is None:
        return
    for name, ours, theirs in fields_of(operation, schema, kind_of(operation).model):
        if theirs is None and any(one.is_absent for one in differences(operation, name)):
            continue
        assert (ours is not None, theirs is not None) == (True, True), name


@each_operation
def test_every_property_has_its_type_and_its_values(operation: Operation) -> None:
    schema = row_schema(operation)
    if schema is None:
        return
    for name, ours, theirs in fields_of(operation, schema, kind_of(operation).model):
        if ours is not None and theirs is not None:
            check(operation, name, ours, theirs)


# What identifies a record; a row in which it is null is useless.
IDENTIFIERS = {"sid", "id"}


@each_operation
def test_every_nullable_property_may_be_none(operation: Operation) -> None:
    schema = row_schema(operation)
    if schema is None:
        return
    model: Any = kind_of(operation).model
    for name, ours, theirs in fields_of(operation, schema, model):
        if ours is None or theirs is None or name in IDENTIFIERS:
            continue
        assert ours.may_be_none or not theirs.get("nullable"), name
        if "." not in name:
            least = dict.fromkeys(IDENTIFIERS, "XX1")
            record = decode(model, {**least, name: None}, VENDORS[operation.vendor])
            assert name in encode(record, VENDORS[operation.vendor]), name


def test_only_identifiers_are_never_none() -> None:
    for kind in KINDS.values():
        fields = declarations.fields(kind.model, "kore")
        never = {name for name, one in fields.items() if not one.may_be_none}
        assert never <= IDENTIFIERS, kind.path


@each_operation
def test_a_list_has_its_key_and_its_largest_page(operation: Operation) -> None:
    if operation.rows is None:
        return
    kind = kind_of(operation)
    assert operation.rows[0] == kind.key
    # Three of KORE's schemas have it only in their prose.
    largest = operation.parameters.get("PageSize", {}).get("maximum")
    if largest is not None:
        assert kind.max_page_size(VENDORS[operation.vendor]) == largest


def test_every_declared_path_and_verb_is_documented() -> None:
    documented = {(operation.product, operation.list_path) for operation in OPERATIONS}
    assert set(KINDS) == documented
    verbs = {(kind_of(operation), operation.verb) for operation in OPERATIONS}
    for kind in KINDS.values():
        declared = {"list": kind.filters, "create": kind.create, "update": kind.update}
        ours = {verb for verb, keywords in declared.items() if keywords is not None}
        assert {(kind, verb) for verb in ours} <= verbs, kind.path


def test_fields_that_a_document_leaves_open_have_the_names_of_its_examples() -> None:
    texts = {name: json.dumps(document(name)) for name in documents.DOCUMENTS}
    for operation in OPERATIONS:
        product = [
            key for key, found in documents.DOCUMENTS.items() if found[1] == operation.product
        ]
        for declared in declarations.fields(kind_of(operation).model, operation.vendor).values():
            inner = declarations.nested(declared)
            for name in declarations.fields(inner, operation.vendor) if inner else ():
                assert any(f'"{name}"' in texts[one] for one in product), name


@pytest.mark.parametrize("one", DIFFERENCES, ids=lambda one: f"{one.list_path} {one.name}")
def test_every_difference_matches_its_operations_and_has_a_reason(one: Difference) -> None:
    assert one.reason
    assert one.ours or one.theirs or one.is_absent or one.is_typed_otherwise
    about = [
        operation
        for operation in OPERATIONS
        if differences(operation, one.name) and one in differences(operation, one.name)
    ]
    assert {operation.vendor for operation in about} == one.vendors
    assert {operation.verb for operation in about} == one.verbs


def test_each_document_has_its_known_number_of_operations() -> None:
    counted: dict[str, int] = {}
    for operation in OPERATIONS:
        counted[operation.document] = counted.get(operation.document, 0) + 1
    assert counted == {
        "twilio_wireless_v1": 16,
        "kore_wireless_v1": 16,
        "twilio_supersim_v1": 31,
        "kore_supersim_v1": 31,
        "twilio_monitor_v1": 2,
        "kore_webhook_v1": 3,
    }


def resource_of(client: Client, operation: Operation) -> Any:
    namespace = getattr(client, operation.product)
    kind = kind_of(operation)
    members = [getattr(namespace, name) for name in dir(namespace) if not name.startswith("_")]
    found = [one for one in members if getattr(one, "kind", None) is kind]
    assert found, f"client.{operation.product} has no resource for {kind.path}"
    return found[0]


@each_operation
async def test_the_client_has_a_method_for_every_operation(operation: Operation) -> None:
    client = (
        Client.twilio("AC" + "0" * 32, "token")
        if operation.vendor == "twilio"
        else Client.kore("apiclient_1", "secret")
    )
    async with client:
        resource = resource_of(client, operation)
        # A Super SIM is registered, not created.
        is_registration = (operation.product, operation.list_path) == ("supersim", "/v1/Sims")
        verb = "register" if is_registration and operation.verb == "create" else operation.verb
        assert callable(getattr(resource, verb))
