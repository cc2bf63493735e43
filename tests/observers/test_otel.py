"""Spans as OpenTelemetry's own SDK exports them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asyncsim import NotFound
from asyncsim.clock import ManualClock
from asyncsim.emulator import Faults
from asyncsim.observers.otel import OpenTelemetry
from tests.integration.harness import APIS, Api, open_harness


class Recorded:
    """A provider of its own, and the spans that it exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def observer(self, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.provider, **options)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    one = Recorded()
    yield one
    one.provider.shutdown()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize("api", APIS, ids="-".join)
async def test_a_call_is_a_span_and_its_requests_are_its_children(
    recorded: Recorded, clock: ManualClock, api: Api
) -> None:
    async with open_harness(clock, api, observers=[recorded.observer()]) as harness:
        await harness.sims.fetch(harness.sid)
        port = int(harness.emulator.url.rpartition(":")[2])
    (call,) = recorded.named(f"{api.product}.sims.fetch")
    (request,) = recorded.named("GET /v1/Sims/{sid}")
    assert parent_of(call) is None
    assert parent_of(request) == id_of(call)
    assert (call.kind, request.kind) == (trace.SpanKind.INTERNAL, trace.SpanKind.CLIENT)
    labels = {"asyncsim.vendor": api.vendor, "asyncsim.product": api.product}
    assert attributes(call) == {**labels, "asyncsim.call": "sims.fetch"}
    assert attributes(request) == {
        **labels,
        "http.request.method": "GET",
        "url.template": "/v1/Sims/{sid}",
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": 200,
    }
    minted = recorded.named("mint_token")
    assert [parent_of(span) for span in minted] == [id_of(call)] * (api.vendor == "kore")


async def test_an_error_sets_status_and_type_and_no_message(
    recorded: Recorded, clock: ManualClock
) -> None:
    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        with pytest.raises(NotFound):
            await harness.sims.fetch("no-such-sim")
    (call,) = recorded.named("supersim.sims.fetch")
    (request,) = recorded.named("GET /v1/Sims/{sid}")
    assert attributes(call)["error.type"] == "NotFound"
    assert attributes(request)["error.type"] == "404"
    for span in (call, request):
        assert (span.status.status_code, span.status.description) == (
            trace.StatusCode.ERROR,
            None,
        )
        assert not span.events, "an exception event would name the SIM"


async def test_a_retry_is_a_span_with_its_number(recorded: Recorded, clock: ManualClock) -> None:
    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        harness.emulator.faults = Faults(server_errors=0.5, seed=3)
        for _ in range(4):
            await harness.complete(harness.sims.fetch(harness.sid))
    requests = recorded.named("GET /v1/Sims/{sid}")
    numbers = [attributes(one).get("http.request.resend_count") for one in requests]
    assert Counter(numbers)[None] == 4
    assert Counter(numbers)[1] >= 1
    codes = {attributes(one)["http.response.status_code"] for one in requests}
    assert {200, 503} <= codes <= {200, 500, 502, 503, 504}
    calls = recorded.named("supersim.sims.fetch")
    retries = [event for call in calls for event in call.events]
    assert {event.name for event in retries} == {"retry"}
    assert len(retries) == len(requests) - len(calls)


async def test_reads_of_a_wait_are_children_of_its_call(
    recorded: Recorded, clock: ManualClock
) -> None:
    tracer = recorded.provider.get_tracer("the service")

    async def handle(sims: Any, sid: str) -> None:
        with tracer.start_as_current_span(f"handle {sid}"):
            await sims.update_and_wait(sid, status="active")

    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        tasks = [await harness.start(handle(harness.sims, sid)) for sid in harness.sids]
        await harness.complete(asyncio.gather(*tasks))
    calls = {id_of(one): one for one in recorded.named("supersim.sims.update_and_wait")}
    handlers = [id_of(one) for one in recorded.spans if one.name.startswith("handle")]
    assert sorted(filter(None, map(parent_of, calls.values()))) == sorted(handlers)
    reads = recorded.named("GET /v1/Sims/{sid}")
    assert len(reads) >= 3 * 2
    assert Counter(map(parent_of, reads)).keys() == calls.keys()
    assert len({span.context.trace_id for span in recorded.spans if span.context}) == 3
    for call in calls.values():
        assert attributes(call)["asyncsim.settled_by"] == "read"


async def test_a_sweep_is_a_root_linked_to_the_calls_whose_waits_it_settled(
    recorded: Recorded, clock: ManualClock
) -> None:
    async with open_harness(clock, observers=[recorded.observer()], sims=60) as harness:
        waits = [harness.sims.update_and_wait(sid, status="active") for sid in harness.sids]
        await harness.complete(asyncio.gather(*waits))
    calls = {id_of(one): one for one in recorded.named("supersim.sims.update_and_wait")}
    swept = {
        span for span, one in calls.items() if attributes(one)["asyncsim.settled_by"] == "sweep"
    }
    assert len(swept) > 30
    sweeps = recorded.named("supersim.sims.sweep")
    assert {parent_of(one) for one in sweeps} == {None}
    links = [link.context.span_id for one in sweeps for link in one.links]
    assert sorted(links) == sorted(swept)
    lists = recorded.named("GET /v1/Sims")
    assert {parent_of(one) for one in lists} <= {id_of(one) for one in sweeps}


async def test_update_many_of_1000_sims_has_one_span_and_one_for_each_request(
    recorded: Recorded, clock: ManualClock
) -> None:
    async with open_harness(clock, observers=[recorded.observer()], sims=1000) as harness:
        changes = {sid: {"status": "active"} for sid in harness.sids}
        outcomes = await harness.collect(harness.sims.update_many(changes))
        requests = harness.client.requests
    assert len(outcomes) == 1000
    counts = Counter(span.name for span in recorded.spans)
    sweeps = counts.pop("supersim.sims.sweep")
    assert counts.pop("supersim.sims.update_many") == 1
    assert counts.pop("POST /v1/Sims/{sid}") == 1000
    assert counts.total() == requests - 1000, "only requests are left"
    assert sweeps <= counts["GET /v1/Sims"]
    (call,) = recorded.named("supersim.sims.update_many")
    posts = recorded.named("POST /v1/Sims/{sid}")
    assert {parent_of(one) for one in posts} == {id_of(call)}
    assert not call.events
    swept = recorded.named("supersim.sims.sweep")
    linked = [link.context.span_id for sweep in swept for link in sweep.links]
    assert set(linked) == {id_of(call)}
    assert len(linked) <= sweeps, "a sweep is linked to a call once, not to each of its waits"


async def test_the_consumer_of_update_many_stays_in_its_own_span(
    recorded: Recorded, clock: ManualClock
) -> None:
    tracer = recorded.provider.get_tracer("the service")

    async def consume(sims: Any, changes: Any) -> None:
        with tracer.start_as_current_span("job") as job:
            async for _ in sims.update_many(changes):
                assert trace.get_current_span() is job

    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        changes = {sid: {"status": "active"} for sid in harness.sids}
        await harness.complete(consume(harness.sims, changes))
    (call,) = recorded.named("supersim.sims.update_many")
    (job,) = recorded.named("job")
    assert parent_of(call) == id_of(job)


async def test_a_bulk_job_is_one_span(
    recorded: Recorded, clock: ManualClock, tmp_path: Path
) -> None:
    from tests.bulk.places import Place
    from tests.bulk.runs.conftest import JobEnv

    async with open_harness(clock, observers=[recorded.observer()], sims=30) as harness:
        env = JobEnv(harness, Place(tmp_path))
        assert (await env.run(env.job())).ok
        requests = harness.client.requests
    (run,) = recorded.named("supersim.bulk.run")
    assert {parent_of(one) for one in recorded.named("POST /v1/Sims/{sid}")} == {id_of(run)}
    assert len(recorded.spans) <= 2 * requests + 1


SECRETS = ("Basic ", "Bearer ", "auth-token", "client-secret")


@pytest.mark.parametrize("identifiers", [False, True])
async def test_no_span_holds_a_secret_and_names_hold_no_identifier(
    recorded: Recorded, clock: ManualClock, identifiers: bool
) -> None:
    observer = recorded.observer(identifiers=identifiers)
    async with open_harness(clock, observers=[observer], listens=True) as harness:
        sid = harness.sid
        await harness.complete(harness.sims.update_and_wait(sid, status="active"))
        await harness.sims.list(iccid=harness.store[sid].iccid)
        iccid = harness.store[sid].iccid
        ticket = harness.posts()[-1].form["CallbackUrl"][0].rpartition("/")[2]
    texts = [span.to_json() for span in recorded.spans]
    assert len(texts) >= 4
    assert not [text for text in texts if ticket in text or iccid in text]
    assert not [text for text in texts for secret in SECRETS if secret in text]
    assert any(sid in text for text in texts) is identifiers
    assert not [span.name for span in recorded.spans if sid in span.name]


@pytest.fixture
def aiohttp_traced(recorded: Recorded) -> Iterator[None]:
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=recorded.provider)
    yield
    instrumentor.uninstrument()


async def test_an_instrumented_aiohttp_adds_no_second_span(
    recorded: Recorded, clock: ManualClock, aiohttp_traced: None
) -> None:
    import aiohttp

    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        await harness.sims.fetch(harness.sid)
        ours = {span.name for span in recorded.spans}
        with clock.working():
            async with aiohttp.ClientSession() as session:
                await session.get(harness.emulator.url)
    assert ours == {"supersim.sims.fetch", "GET /v1/Sims/{sid}"}
    assert {span.name for span in recorded.spans} - ours == {"GET"}, "others are still traced"


async def test_the_users_input_of_update_many_is_not_suppressed(
    recorded: Recorded, clock: ManualClock, aiohttp_traced: None
) -> None:
    import aiohttp

    async with open_harness(clock, observers=[recorded.observer()]) as harness:

        async def changes() -> Any:
            async with aiohttp.ClientSession() as session:
                await session.get(harness.emulator.url)
            yield harness.sid, {"status": "active"}

        await harness.collect(harness.sims.update_many(changes()))
    (inner,) = recorded.named("GET")
    (call,) = recorded.named("supersim.sims.update_many")
    assert parent_of(inner) == id_of(call)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "asyncsim.observers.otel")
    with pytest.raises(ImportError, match=r'pip install "asyncsim\[otel\]"'):
        import_module("asyncsim.observers.otel")


async def test_without_an_sdk_the_client_drops_the_observer(clock: ManualClock) -> None:
    observer = OpenTelemetry()
    assert not observer.enabled, "no test sets a global provider"
    async with open_harness(clock, observers=[observer]) as harness:
        await harness.sims.fetch(harness.sid)
        assert observer not in harness.client.context.observers


async def test_a_cancelled_call_ends_its_spans_without_an_error(
    recorded: Recorded, clock: ManualClock
) -> None:
    async with open_harness(clock, observers=[recorded.observer()]) as harness:
        harness.emulator.faults = Faults(answer_takes=5.0)
        task = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.advance(6)
    assert {span.name for span in recorded.spans} == {
        "supersim.sims.update_and_wait",
        "POST /v1/Sims/{sid}",
    }
    for span in recorded.spans:
        assert attributes(span)["error.type"] == "CancelledError"
        assert span.status.status_code is trace.StatusCode.UNSET


async def test_an_observer_holds_nothing_once_all_has_ended(
    recorded: Recorded, clock: ManualClock
) -> None:
    observer = recorded.observer()
    async with open_harness(clock, observers=[observer]) as harness:
        changes = {sid: {"status": "active"} for sid in harness.sids}
        await harness.collect(harness.sims.update_many(changes))
        task = await harness.start(harness.sims.update_and_wait(harness.sid, status="inactive"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [observer._calls, observer._requests, observer._waits] == [{}, {}, {}]
