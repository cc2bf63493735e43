"""Prism validates every operation that the client sends: nothing contradicts the documents.

Run by `nox -s contract`; its name keeps it out of the core suite, which needs no Node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, TraceConfig, TraceRequestEndParams
from attrs import define, field

from asyncsim import Hosts
from asyncsim.emulator import Emulator
from tests.contract import supersim_operations, wireless_operations
from tests.contract.documents import DOCUMENTS, Document
from tests.contract.known_findings import PRISM, Finding, unexpected, unused
from tests.contract.operations import OperationContext, Step
from tests.contract.prism import PrismFailed, proxy

STEPS: Mapping[str, Mapping[str, Step]] = {
    "wireless": wireless_operations.STEPS,
    "supersim": supersim_operations.STEPS,
}

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)


def violations(header: str) -> list[Any]:
    """Prism's findings about one response: of many the first, and a long one shortened."""
    whole = re.findall(r'\{"location":\[[^\]]*\],.*?"message":"(?:[^"\\]|\\.)*"\}', header)
    return [json.loads(one) for one in whole]


@define
class RecordingProxy:
    """Records what Prism reports about each response that passed through it."""

    document: Document
    proxy: str
    seen: set[str] = field(factory=set)
    found: list[Finding] = field(factory=list)
    responses: int = 0

    async def note(self, _: ClientSession, __: SimpleNamespace, end: TraceRequestEndParams) -> None:
        if not str(end.url).startswith(self.proxy):
            return  # KORE's token endpoint is no part of these documents
        self.responses += 1
        operation = self.document.operation_of(end.method, end.url.raw_path)
        self.seen.add(operation)
        for one in violations(end.response.headers.get("sl-violations", "[]")):
            # One finding for all rows: `sims.0.url` and `sims.1.url` are the same.
            said = re.sub(r"\b\d+\b", "#", one["message"])
            if said.startswith("Unable to match the returned status"):
                said = f"{end.response.status} is no status of this operation"
            self.found.append(
                Finding(self.document.name, operation, f"{one['location'][0]}: {said}")
            )

    def trace(self) -> TraceConfig:
        trace = TraceConfig()
        trace.on_request_end.append(self.note)
        return trace

    def session(self) -> ClientSession:
        return ClientSession(trace_configs=[self.trace()])


async def run_operations(document: Document, emulator: Emulator, recorder: RecordingProxy) -> None:
    token = emulator.hosts_of(document.vendor).token
    hosts = Hosts(wireless=recorder.proxy, supersim=recorder.proxy, token=token)
    async with (
        recorder.session() as session,
        emulator.client(document.vendor, session=session, hosts=hosts) as client,
    ):
        context = OperationContext(document, client, emulator)
        for operation in document.operations:
            await STEPS[document.product][operation](context)


@documents
async def test_prism_finds_no_violation_of_the_document(document: Document) -> None:
    async with Emulator(sims=20, speed=1000) as emulator:
        upstream = getattr(emulator.hosts_of(document.vendor), document.product)
        async with proxy(document.path, upstream) as url:
            recorder = RecordingProxy(document, url)
            await run_operations(document, emulator, recorder)
    assert recorder.seen == set(document.operations)
    news = unexpected(recorder.found, PRISM)
    assert not news, "\n" + "\n".join(news)
    assert unused(recorder.found, PRISM, document.name) == []


async def test_prism_finds_a_violation_of_a_document() -> None:
    """A check of the check: without it, no findings would prove nothing."""
    document = DOCUMENTS[1]
    async with Emulator(sims=1) as emulator:
        wrong = str(emulator.hosts_of(document.vendor).wireless)
        async with proxy(document.path, wrong) as url:
            recorder = RecordingProxy(document, url)
            hosts = Hosts(supersim=url)
            async with (
                recorder.session() as session,
                emulator.client(session=session, hosts=hosts) as client,
            ):
                await client.supersim.sims.list(page_size=5)
    assert any("sid" in one.what for one in recorder.found)


async def test_a_prism_that_does_not_start_fails_loudly() -> None:
    with pytest.raises(PrismFailed, match="did not start"):
        async with proxy(DOCUMENTS[0].path.with_name("missing.json"), "http://127.0.0.1:1"):
            pass
