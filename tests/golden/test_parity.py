"""Everything the documents declare for Sims, Fleets and RatePlans is ours, and nothing else is.

Walks the four OpenAPI documents and reads our declarations with `typing` and `attrs` alone, so
that a spelling of ours is compared with the vendor's and not with itself.
"""

from __future__ import annotations

import types
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import pytest

from asyncsim.models.supersim.fleets import Fleet
from asyncsim.models.supersim.sims import (
    Sim as SuperSim,
    SimFilter as SuperSimFilter,
    SimRegister,
    SimUpdate as SuperSimUpdate,
)
from asyncsim.models.wireless.rate_plans import RatePlan
from asyncsim.models.wireless.sims import Sim as WirelessSim, SimFilter, SimUpdate
from tests.golden.load import document

# (document, schema, our record)
RECORDS: list[tuple[str, str, Any]] = [
    ("twilio_wireless_v1", "wireless.v1.sim", WirelessSim),
    ("kore_wireless_v1", "Sim", WirelessSim),
    ("twilio_wireless_v1", "wireless.v1.rate_plan", RatePlan),
    ("kore_wireless_v1", "RatePlan", RatePlan),
    ("twilio_supersim_v1", "supersim.v1.sim", SuperSim),
    ("kore_supersim_v1", "supersim.v1.sim", SuperSim),
    ("twilio_supersim_v1", "supersim.v1.fleet", Fleet),
    ("kore_supersim_v1", "supersim.v1.fleet", Fleet),
]

# (document, path, method, our keywords)
PARAMETERS: list[tuple[str, str, str, Any]] = [
    ("twilio_wireless_v1", "/v1/Sims", "get", SimFilter),
    ("kore_wireless_v1", "/v1/Sims", "get", SimFilter),
    ("twilio_wireless_v1", "/v1/Sims/{Sid}", "post", SimUpdate),
    ("kore_wireless_v1", "/v1/Sims/{Sid}", "post", SimUpdate),
    ("twilio_supersim_v1", "/v1/Sims", "get", SuperSimFilter),
    ("kore_supersim_v1", "/v1/Sims", "get", SuperSimFilter),
    ("twilio_supersim_v1", "/v1/Sims", "post", SimRegister),
    ("kore_supersim_v1", "/v1/Sims", "post", SimRegister),
    ("twilio_supersim_v1", "/v1/Sims/{Sid}", "post", SuperSimUpdate),
    ("kore_supersim_v1", "/v1/Sims/{Sid}", "post", SuperSimUpdate),
]

# Our attribute or keyword -> the documents' name, where it is not the plain rule's.
FIELD_NAMES = {("twilio_wireless_v1", "eid"): "e_id"}
PARAMETER_NAMES = {"eid": "EId"}

# (document, our record or keywords, name on the wire) -> values of ours that the document lacks,
# values of the document that we lack, and why.
REQUESTABLE = "the prose names four; `new` is in Twilio's own request example; the rest are refused"
ENUM_EXCEPTIONS: dict[tuple[str, str, str], tuple[set[str], set[str], str]] = {
    ("twilio_wireless_v1", "Sim", "status"): (
        {"deleted"},
        set(),
        "one record for both vendors; only KORE's response enum has it, Twilio's prose names it",
    ),
    ("twilio_wireless_v1", "SimUpdate", "Status"): (
        set(),
        {"canceled", "scheduled", "updating"},
        REQUESTABLE,
    ),
    ("kore_wireless_v1", "SimUpdate", "Status"): (
        set(),
        {"canceled", "scheduled", "updating"},
        REQUESTABLE,
    ),
}

PLAIN = {"string": str, "integer": int, "boolean": bool, "array": tuple, "object": dict}


def resolved(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Follow one reference."""
    if "$ref" not in schema:
        return schema
    target: dict[str, Any] = document(name)["components"]["schemas"][schema["$ref"].split("/")[-1]]
    return target


def wire_names(name: str, record: Any) -> dict[str, str]:
    """Name on the wire -> attribute, for those attributes which this vendor has."""
    vendor = name.split("_")[0]
    return {
        FIELD_NAMES.get((name, str(one.name)), str(one.name)): str(one.name)
        for one in attrs.fields(record)
        if one.metadata.get("vendor") in (None, vendor)
    }


def documented(name: str, path: str, method: str) -> dict[str, dict[str, Any]]:
    """Every parameter of an operation but those in its path, by name."""
    operation = document(name)["paths"][path][method]
    found = {one["name"]: one["schema"] for one in operation.get("parameters", ())}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        found |= content["schema"]["properties"]
    found.pop("Sid", None)
    return {key: resolved(name, schema) for key, schema in found.items()}


def required(name: str, path: str, method: str) -> set[str]:
    """The parameters an operation's body cannot do without."""
    content = document(name)["paths"][path][method].get("requestBody", {}).get("content", {})
    return {key for one in content.values() for key in one["schema"].get("required", ())}


def parameter(keyword: str) -> str:
    """The documents' name of a keyword."""
    return PARAMETER_NAMES.get(keyword) or keyword.title().replace("_", "")


def parts(hint: Any) -> list[Any]:
    """The alternatives of a union but None, or the hint itself."""
    alternatives = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [one for one in alternatives if one is not type(None)]


def values(hint: Any) -> set[str]:
    """All values that the Literals of a hint name."""
    return {value for one in parts(hint) if get_origin(one) is Literal for value in get_args(one)}


def plain_types(hint: Any) -> set[Any]:
    """The classes of a hint; a Literal counts as str."""
    return {str if get_origin(one) is Literal else get_origin(one) or one for one in parts(hint)}


def documented_type(schema: dict[str, Any]) -> Any:
    """The class that a schema's values have here."""
    return datetime if schema.get("format") == "date-time" else PLAIN[schema["type"]]


@pytest.mark.parametrize(("name", "schema", "record"), RECORDS)
def test_a_record_has_exactly_the_fields_of_its_schema(name: str, schema: str, record: Any) -> None:
    properties = document(name)["components"]["schemas"][schema]["properties"]
    assert set(wire_names(name, record)) == set(properties)


@pytest.mark.parametrize(("name", "schema", "record"), RECORDS)
def test_a_field_has_the_type_and_the_values_of_its_property(
    name: str, schema: str, record: Any
) -> None:
    hints = get_type_hints(record)
    properties = document(name)["components"]["schemas"][schema]["properties"]
    for key, attribute in wire_names(name, record).items():
        declared = resolved(name, properties[key])
        assert plain_types(hints[attribute]) == {documented_type(declared)}, key
        more, fewer, _ = ENUM_EXCEPTIONS.get((name, record.__name__, key), (set(), set(), ""))
        known = values(hints[attribute])
        assert known - more | fewer == set(declared.get("enum", ())), key


@pytest.mark.parametrize(("name", "path", "method", "keywords"), PARAMETERS)
def test_keywords_are_exactly_the_parameters_of_their_operation(
    name: str, path: str, method: str, keywords: Any
) -> None:
    ours = {parameter(keyword) for keyword in get_type_hints(keywords)}
    assert ours == set(documented(name, path, method))


@pytest.mark.parametrize(("name", "path", "method", "keywords"), PARAMETERS)
def test_a_keyword_has_the_type_and_the_values_of_its_parameter(
    name: str, path: str, method: str, keywords: Any
) -> None:
    declared = documented(name, path, method)
    for keyword, hint in get_type_hints(keywords).items():
        key = parameter(keyword)
        assert plain_types(hint) == {documented_type(declared[key])}, key
        more, fewer, _ = ENUM_EXCEPTIONS.get((name, keywords.__name__, key), (set(), set(), ""))
        assert values(hint) - more | fewer == set(declared[key].get("enum", ())), key


@pytest.mark.parametrize(("name", "path", "method", "keywords"), PARAMETERS)
def test_a_keyword_is_required_where_its_parameter_is(
    name: str, path: str, method: str, keywords: Any
) -> None:
    ours = {parameter(keyword) for keyword in keywords.__required_keys__}
    assert ours == required(name, path, method)


def test_every_exception_is_about_something_that_exists_and_has_its_reason() -> None:
    records = {(name, record.__name__, record) for name, _, record in RECORDS}
    keywords = {(name, given.__name__, given) for name, _, _, given in PARAMETERS}
    for (name, owner, key), (more, fewer, reason) in ENUM_EXCEPTIONS.items():
        fields = {k for n, o, one in records if (n, o) == (name, owner) for k in wire_names(n, one)}
        params = {
            parameter(keyword)
            for n, o, one in keywords
            if (n, o) == (name, owner)
            for keyword in get_type_hints(one)
        }
        assert key in fields | params
        assert more or fewer
        assert reason


OPERATIONS = {
    ("/v1/Sims", "get"): {"200"},
    ("/v1/Sims/{Sid}", "get"): {"200"},
    ("/v1/Sims/{Sid}", "post"): {"200"},
}


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
def test_the_success_statuses_are_those_the_client_and_the_emulator_use(vendor: str) -> None:
    def succeeded(product: str) -> dict[tuple[str, str], set[str]]:
        paths = document(f"{vendor}_{product}_v1")["paths"]
        return {
            (path, method): {code for code in operation["responses"] if code.startswith("2")}
            for path, methods in paths.items()
            for method, operation in methods.items()
        }

    assert succeeded("wireless") == OPERATIONS | {("/v1/Sims/{Sid}", "delete"): {"204"}}
    assert succeeded("supersim") == OPERATIONS | {
        ("/v1/Sims", "post"): {"201"},
        ("/v1/Sims/{Sid}", "post"): {"200", "202"},
    }
