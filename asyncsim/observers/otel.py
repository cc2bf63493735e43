"""OpenTelemetry tracing: a span for each public call, one for each request in it."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Token
from functools import singledispatchmethod

from attrs import define, field

from asyncsim import events
from asyncsim.version import __version__

try:
    from opentelemetry import context as otel_context, trace
    from opentelemetry.context import (
        _SUPPRESS_INSTRUMENTATION_KEY,  # no public name yet; instrumentations import this one
    )
except ImportError as missing:
    raise ImportError(
        'tracing needs OpenTelemetry\'s API: pip install "asyncsim[otel]"'
    ) from missing

logger = logging.getLogger("asyncsim")

_CALL = otel_context.create_key("asyncsim-call")
_MANY = frozenset({"update_many", "run", "sweep"})
"""Verbs of calls that serve any number of SIMs: their spans say nothing about one of them."""
# Raised where a task or a generator ends: no failure of the call.
_ENDED = frozenset({asyncio.CancelledError.__name__, GeneratorExit.__name__})


@define(eq=False)
class _TracedCall:
    """A call whose span has not ended."""

    span: trace.Span
    many: bool
    linked: set[int] = field(factory=set)
    """Spans of calls that a sweep's span is linked to."""


class OpenTelemetry:
    """Observer that traces one or more clients; needs the extra `otel`.

    `tracer_provider`: the global one unless given. Without an SDK (no provider set before the
    client sends its first request) the client drops this observer, at almost no cost.
    `identifiers`: also records what identifies a SIM: `url.path` of requests, `asyncsim.name` of
    waits. Span names never contain any. Sources: OpenTelemetry's semantic conventions, "HTTP
    client span".
    """

    def __init__(
        self, *, tracer_provider: trace.TracerProvider | None = None, identifiers: bool = False
    ) -> None:
        self._provider = tracer_provider
        self._tracer = trace.get_tracer("asyncsim", __version__, tracer_provider)
        self._identifiers = identifiers
        self._calls: dict[int, tuple[_TracedCall, Token[otel_context.Context]]] = {}
        """Id -> the call, and the token that takes it out of the context."""
        self._requests: dict[int, tuple[trace.Span, Token[otel_context.Context]]] = {}
        self._waits: dict[int, tuple[trace.Span, bool]] = {}
        """Wait -> the span in which it began, and whether that span is about this wait only."""

    @property
    def enabled(self) -> bool:
        """Whether there is a provider that records spans."""
        provider = self._provider or trace.get_tracer_provider()
        if not isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            return True
        logger.info(
            "OpenTelemetry has no tracer provider, so this client is not traced; set one before"
            " its first request"
        )
        return False

    def __call__(self, event: events.Event, /) -> None:
        """Start or end a span."""
        self._trace(event)

    @singledispatchmethod
    def _trace(self, event: object) -> None:
        pass  # no span

    @_trace.register
    def _(self, event: events.CallStarted) -> None:
        name = f"{event.product}.{event.call}" if event.product else event.call
        span = self._tracer.start_span(
            name,
            attributes={
                "asyncsim.vendor": event.vendor,
                "asyncsim.product": event.product,
                "asyncsim.call": event.call,
            },
        )
        call = _TracedCall(span, many=event.call.rpartition(".")[2] in _MANY)
        inner = otel_context.set_value(_CALL, call, trace.set_span_in_context(span))
        self._calls[event.id] = call, otel_context.attach(inner)

    @_trace.register
    def _(self, event: events.CallEnded) -> None:
        call, token = self._calls.pop(event.id)
        self._end(call.span, token, event.error)

    @_trace.register
    def _(self, event: events.RequestStarted) -> None:
        attributes: dict[str, str | int] = {
            "http.request.method": event.method,
            "url.template": event.operation.partition(" ")[2],
            "server.address": event.host,
            "asyncsim.vendor": event.vendor,
            "asyncsim.product": event.product,
        }
        if event.port is not None:
            attributes["server.port"] = event.port
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        if self._identifiers:
            attributes["url.path"] = event.path
        span = self._tracer.start_span(
            event.operation, kind=trace.SpanKind.CLIENT, attributes=attributes
        )
        # This is the request's span; an instrumentation of aiohttp would add another. Set while the
        # request is sent only: what the caller's own code sends is traced.
        inner = trace.set_span_in_context(span)
        inner = otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, inner)
        self._requests[event.request] = span, otel_context.attach(inner)

    @_trace.register
    def _(self, event: events.RequestFinished) -> None:
        span, token = self._requests.pop(event.request)
        status, error = event.status, event.error_type
        if status is not None:
            span.set_attribute("http.response.status_code", status)
            if error is None and status >= 400:
                error = str(status)
        self._end(span, token, error)

    @_trace.register
    def _(self, event: events.RequestRetried) -> None:
        call = otel_context.get_value(_CALL)
        if isinstance(call, _TracedCall) and not call.many:
            call.span.add_event("retry", {"asyncsim.retry.delay": event.delay})

    @_trace.register
    def _(self, event: events.WaitStarted) -> None:
        call, span = otel_context.get_value(_CALL), trace.get_current_span()
        if not span.is_recording():
            return
        single = isinstance(call, _TracedCall) and not call.many
        self._waits[event.wait] = span, single
        if single and self._identifiers:
            span.set_attribute("asyncsim.name", event.name)

    @_trace.register
    def _(self, event: events.WaitSettled) -> None:
        span, single = self._waits.pop(event.wait, (None, False))
        if span is None:
            return
        if single:
            span.set_attribute("asyncsim.settled_by", event.settled_by or "")
            span.set_attribute("asyncsim.requests", event.requests)
        sweep = otel_context.get_value(_CALL)
        # Sent in the sweep's own context. A link, not a child: a sweep serves waits of many calls.
        if event.settled_by == "sweep" and isinstance(sweep, _TracedCall):
            waiting = span.get_span_context()
            if waiting.span_id not in sweep.linked:
                sweep.linked.add(waiting.span_id)
                sweep.span.add_link(waiting)

    @_trace.register
    def _(self, event: events.WaitAbandoned) -> None:
        self._waits.pop(event.wait, None)

    def _end(self, span: trace.Span, token: Token[otel_context.Context], error: str | None) -> None:
        if error is not None:
            span.set_attribute("error.type", error)
            if error not in _ENDED:
                span.set_status(trace.StatusCode.ERROR)  # no description: messages name the SIM
        span.end()
        # A generator that is finalized ends in another context, which has nothing to reset.
        if error != GeneratorExit.__name__:
            otel_context.detach(token)
