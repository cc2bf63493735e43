"""Schemathesis against the emulator: generated requests, the same in each run.

Run by `nox -s contract`; its name keeps it out of the core suite, which needs none of this.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping

import aiohttp
import pytest
import schemathesis
from attrs import define, field
from hypothesis import HealthCheck, given, seed, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from asyncsim.emulator import Emulator
from tests.contract.check_prism import STEPS
from tests.contract.documents import DOCUMENTS, Document
from tests.contract.known_findings import SCHEMATHESIS, Finding, unexpected
from tests.contract.operations import OperationContext

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 10
"""Requests per operation, valid ones and as many invalid ones."""


async def authorization(document: Document, emulator: Emulator) -> str:
    """Headers that any client of this vendor would send."""
    own = emulator.credentials
    if document.vendor == "twilio":
        pair = f"{own.account_sid}:{own.auth_token}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    form = {
        "grant_type": "client_credentials",
        "client_id": own.client_id,
        "client_secret": own.client_secret,
    }
    token = emulator.hosts_of("kore").token or ""
    async with aiohttp.ClientSession() as session, session.post(token, data=form) as response:
        return f"Bearer {(await response.json())['access_token']}"


async def send_all_operations(document: Document, emulator: Emulator) -> dict[str, list[list[str]]]:
    """Send every operation once; returns the names that each addressed."""
    async with emulator.client(document.vendor) as client:
        context = OperationContext(document, client, emulator)
        for operation in document.operations:
            await STEPS[document.product][operation](context)
    named: dict[str, list[list[str]]] = {}
    for one in emulator.requests:
        if one.product == document.product:
            operation = document.operation_of(one.method, one.path)
            names = names_in(operation, one.path)
            # Each once, because the number of a wait's reads depends on timing.
            if names not in named.setdefault(operation, []):
                named[operation].append(names)
    return named


def names_in(operation: str, path: str) -> list[str]:
    template = operation.split()[1].split("/")
    given = zip(template, path.split("/"), strict=False)
    return [part for place, part in given if place == "{}"]


@define
class Fuzz:
    """Tests one operation at a time; collects findings without stopping."""

    document: Document
    base_url: str
    headers: Mapping[str, str]
    named: Mapping[str, list[list[str]]]
    found: list[Finding] = field(factory=list)
    tested: set[str] = field(factory=set)

    def run(self) -> None:
        schema = schemathesis.openapi.from_path(str(self.document.path))
        for each in schema.get_all_operations():
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self.fuzz(each.ok(), mode)

    def fuzz(self, operation: schemathesis.APIOperation, mode: GenerationMode) -> None:
        path = re.sub(r"{[^}]*}", "{}", operation.path)
        label = f"{operation.method.upper()} {path}"
        # Generated SIDs find nothing, so half of the requests use existing ones.
        names = strategies.sampled_from([None, *self.named.get(label, [])])

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), names=names)
        def one(case: schemathesis.Case, names: list[str] | None) -> None:
            if names:
                case.path_parameters = dict(zip(case.path_parameters, names, strict=True))
            self.check(label, case)

        try:
            one()
        except Unsatisfiable:
            # An operation that accepts any text has no invalid requests.
            assert mode is GenerationMode.NEGATIVE
        self.tested.add(label)

    def check(self, label: str, case: schemathesis.Case) -> None:
        response = case.call(base_url=self.base_url, headers=dict(self.headers))
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                what = f"{response.status_code}: {summary(failure)}"
                self.found.append(Finding(self.document.name, label, what))


def summary(failure: BaseException) -> str:
    """The first line without its values, and the location in the schema."""
    said = str(failure)
    place = re.search(r"Schema at (\S+?):?\s", said)
    return f"{said.splitlines()[0]} {place[1] if place else ''}".strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
async def test_schemathesis_finds_no_violation_of_the_document(document: Document) -> None:
    async with Emulator(sims=20, speed=1000) as emulator:
        named = await send_all_operations(document, emulator)
        base_url = str(getattr(emulator.hosts_of(document.vendor), document.product))
        headers = {"Authorization": await authorization(document, emulator)}
        fuzz = Fuzz(document, base_url, headers, named)
        await asyncio.to_thread(fuzz.run)
    assert fuzz.tested == set(document.operations)
    news = unexpected(fuzz.found, SCHEMATHESIS)
    assert not news, "\n" + "\n".join(news)
