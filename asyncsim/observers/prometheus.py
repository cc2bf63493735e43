"""Prometheus metrics: counters and histograms of events, gauges read when they are scraped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import singledispatchmethod
from threading import Lock
from weakref import WeakSet

from asyncsim import events

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as missing:
    raise ImportError(
        'metrics need prometheus-client: pip install "asyncsim[prometheus]"'
    ) from missing

_API = ("vendor", "product")
# Seconds. Most responses come within a second; a request may take 30, a call any number of them.
_REQUEST_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
_CALL_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
# A SIM settles within seconds, after an operator's outage within hours.
_WAIT_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)


class Prometheus:
    """Observer that counts and measures, for any number of clients; needs the extra `prometheus`.

    `registry`: where the metrics are registered, the global one unless given; one observer for
    each registry. Labels have few values: never a SID, a name or a message. Give it to clients, to
    the receiver (callbacks) and to `bulk.run` (rows). A client that was closed, or is
    gone, no longer counts in the gauges.
    """

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        registry = REGISTRY if registry is None else registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"asyncsim_{name}", text, labels, registry=registry)

        def seconds(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            name = f"asyncsim_{name}_duration_seconds"
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        operation = (*_API, "operation")
        text = "HTTP requests, each attempt counted; status_class is none without a response."
        self._requests = counter("requests", text, *operation, "status_class")
        text = "Seconds from sending a request to the whole response."
        self._request_seconds = seconds("request", text, _REQUEST_BUCKETS, *operation)
        self._throttled = counter("throttled_requests", "Responses with status 429.", *_API)
        self._retries = counter("retries", "Requests that were retried.", *operation)
        text = "Times that a 429 lowered the concurrency limit."
        self._lowered = counter("limit_decreases", text, "vendor")
        text = "Public calls that ended; outcome is ok or the class of the error."
        self._calls = counter("calls", text, *_API, "call", "outcome")
        text = "Seconds that a public call took."
        self._call_seconds = seconds("call", text, _CALL_BUCKETS, *_API, "call")
        resource = (*_API, "resource")
        text = "Waits that ended, by what showed it; outcome is ok or the class of the error."
        self._waits = counter("waits", text, *resource, "settled_by", "outcome")
        text = "Seconds until an awaited resource settled."
        self._wait_seconds = seconds("wait", text, _WAIT_BUCKETS, *resource)
        text = "Waits that were dropped: cancelled, or their POST was rejected."
        self._abandoned = counter("abandoned_waits", text, *resource)
        text = "Rounds of list requests for pending SIMs (sweep) or for all of them (scan)."
        self._sweeps = counter("sweeps", text, *_API, "kind")
        self._pages = counter("sweep_pages", "Pages requested by sweeps and scans.", *_API)
        text = "Times that sweeps were found unreliable and single reads took over."
        self._stops = counter("sweeping_stops", text, *_API)
        text = "Callbacks accepted: signed, unconfirmed or duplicate."
        self._callbacks = counter("callbacks", text, *_API, "kind")
        self._rejected = counter("rejected_callbacks", "Callbacks rejected.", "status")
        self._tokens = counter("tokens", "Access tokens fetched.", "vendor")
        text = "Changes of rows of bulk jobs, by their new state."
        self._rows = counter("job_rows", text, *_API, "state")
        text = "Runs of bulk jobs that ended; stopped is true if one ended early."
        self._runs = counter("job_runs", text, *_API, "stopped")
        self._clients = _Clients()
        registry.register(self._clients)

    def add_client(self, client: events.ObservedClient, /) -> None:
        """Show a client's gauges while it is open."""
        self._clients.add(client)

    def __call__(self, event: events.Event, /) -> None:
        """Count one event."""
        self._count(event)

    @singledispatchmethod
    def _count(self, event: object) -> None:
        pass  # no metric of its own

    @_count.register
    def _(self, event: events.RequestFinished) -> None:
        labels = (event.vendor, event.product, event.operation)
        status = "none" if event.status is None else f"{event.status // 100}xx"
        self._requests.labels(*labels, status).inc()
        self._request_seconds.labels(*labels).observe(event.seconds)
        if event.status == 429:
            self._throttled.labels(event.vendor, event.product).inc()

    @_count.register
    def _(self, event: events.RequestRetried) -> None:
        self._retries.labels(event.vendor, event.product, event.operation).inc()

    @_count.register
    def _(self, event: events.LimitChanged) -> None:
        self._lowered.labels(event.vendor).inc()

    @_count.register
    def _(self, event: events.CallEnded) -> None:
        labels = (event.vendor, event.product, event.call)
        self._calls.labels(*labels, event.error or "ok").inc()
        self._call_seconds.labels(*labels).observe(event.seconds)

    @_count.register
    def _(self, event: events.WaitSettled) -> None:
        labels = (event.vendor, event.product, event.resource)
        self._waits.labels(*labels, event.settled_by or "none", event.error or "ok").inc()
        self._wait_seconds.labels(*labels).observe(event.seconds)

    @_count.register
    def _(self, event: events.WaitAbandoned) -> None:
        self._abandoned.labels(event.vendor, event.product, event.resource).inc()

    @_count.register
    def _(self, event: events.SweepFinished) -> None:
        kind = "scan" if event.walk else "sweep"
        self._sweeps.labels(event.vendor, event.product, kind).inc()
        self._pages.labels(event.vendor, event.product).inc(event.pages)

    @_count.register
    def _(self, event: events.SweepingStopped) -> None:
        self._stops.labels(event.vendor, event.product).inc()

    @_count.register
    def _(self, event: events.CallbackReceived) -> None:
        kind = "duplicate" if event.duplicate else "signed" if event.signed else "unconfirmed"
        self._callbacks.labels(event.vendor, event.product, kind).inc()

    @_count.register
    def _(self, event: events.CallbackRefused) -> None:
        self._rejected.labels(event.status).inc()

    @_count.register
    def _(self, event: events.TokenMinted) -> None:
        self._tokens.labels(event.vendor).inc()

    @_count.register
    def _(self, event: events.RowMoved) -> None:
        self._rows.labels(event.vendor, event.product, event.state).inc()

    @_count.register
    def _(self, event: events.JobEnded) -> None:
        stopped = "false" if event.reason is None else "true"
        self._runs.labels(event.vendor, event.product, stopped).inc()


class _Clients(Collector):
    """The gauges of all open clients, by vendor."""

    def __init__(self) -> None:
        self._clients: WeakSet[events.ObservedClient] = WeakSet()
        self._lock = Lock()  # a scrape runs in a thread of its own

    def add(self, client: events.ObservedClient) -> None:
        """Show a client, while it lives and is open."""
        with self._lock:
            self._clients.add(client)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the numbers of this moment."""
        with self._lock:
            clients = [one for one in self._clients if not one.closed]
        # The limit and the requests in flight belong to the throttle, which clients may share.
        throttles = {id(one.throttle): one for one in clients}.values()
        yield _gauge(
            "concurrency_limit",
            "Requests that may be in flight.",
            ((one, one.concurrency_limit) for one in throttles),
        )
        yield _gauge(
            "requests_in_flight", "Requests in flight.", ((one, one.in_flight) for one in throttles)
        )
        yield _gauge(
            "queued_requests",
            "Requests that wait for the limit.",
            ((one, one.queued_requests) for one in clients),
        )
        yield _gauge(
            "pending_waits",
            "Waits that have not ended.",
            ((one, one.pending_waits) for one in clients),
        )
        yield _gauge("clients", "Open clients.", ((one, 1) for one in clients))


def _gauge(
    name: str, text: str, values: Iterator[tuple[events.ObservedClient, float]]
) -> GaugeMetricFamily:
    sums: defaultdict[str, float] = defaultdict(float)
    for client, value in values:
        sums[client.vendor.name] += value
    family = GaugeMetricFamily(f"asyncsim_{name}", text, labels=("vendor",))
    for vendor, total in sums.items():
        family.add_metric((vendor,), total)
    return family
