"""Cost of one request: asyncsim, bare aiohttp, twilio-python and httpx.

By plain HTTP and by TLS, which is what both vendors speak; on asyncio's own loop, and with the
extra `speed`.

What the extra saves by TLS, in instructions of the client (counted once, asyncio's own loop = 1):

==========================  ==============  ==========  ==========  =====
TLS                         asyncio's loop  uvloop      aiofastnet  both
==========================  ==============  ==========  ==========  =====
an update                   1               0.87        0.92        0.86
a list page of 1,000 Sims   1               0.98        0.89        0.90
==========================  ==============  ==========  ==========  =====

By plain HTTP uvloop makes an update 0.93, and aiofastnet changes nothing.

A `fetch` costs 1.02 to 1.06 of bare aiohttp's instructions, which are 350,000 to 460,000: it has
10,000 to 22,000 more, for throttle, deadline, credentials, retries and the typed record. The
cheaper the loop, the larger their share. An `update` has them too, but does without aiohttp's form
encoding, which costs more.

Where the time goes over TLS, for Programmable Wireless and 100 in flight: microseconds per request
under cProfile, which makes Python functions dearer than they are.

=============================  ===========  ===============  ============  ================
us per request                 bare, fetch  asyncsim, fetch  bare, update  asyncsim, update
=============================  ===========  ===============  ============  ================
aiohttp, yarl, multidict               101               93           148               120
asyncio, ssl                            40               37            52                49
C and the standard library              34               35            63                36
JSON                                     2                3             2                 3
transport: deadline, session                              12                              11
sender, limiter, credentials                              14                              14
request, record, reconcile                                11                              26
=============================  ===========  ===============  ============  ================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from benchmarks import callgrind
from benchmarks.cases._requests_counter import COUNTED
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread, ratios
from benchmarks.stub.process import certificate, serving
from benchmarks.workers import SPEED, run

_PRODUCTS = {"wireless": "Programmable Wireless", "supersim": "Super SIM"}
_SCHEMES = {"http": "plain HTTP", "https": "TLS"}
_BOUNDS = {"fetch": 1.05, "update": 0.90}
_SPEED_BOUND = 0.80  # of `update` with the extra, to bare aiohttp without it
_WORKER = "benchmarks.cases._requests_worker"
_COUNTER = "benchmarks.cases._requests_counter"
_IN_FLIGHT = 100

_NOTES = (
    "every response was checked against the requested SID",
    "TLS: a local server with a self-signed certificate; handshakes are not included",
    f"{SPEED}: uvloop's loop with aiofastnet's transports, for bare aiohttp and twilio-python too"
    " where they are called so",
    "httpx's pool scans all of its connections several times per request, so"
    " its cost grows with the requests in flight: a single one takes a third of that",
    "at 1,000 in flight the collector traverses the objects of all of them; twilio-python's"
    " session has 100 connections, and a request that waits for one has few objects, so it takes"
    " less of its time: the rows with the collector off show how much",
)

Samples = Mapping[str, Sequence[Mapping[str, float]]]


@frozen
class _Stub:
    """A running stub and the certificate that its clients trust."""

    scheme: str
    port: int
    authority: Path | None = field(default=None)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def _serving(scheme: str) -> Iterator[_Stub]:
    if scheme == "http":
        with serving() as port:
            yield _Stub(scheme, port)
    else:
        with certificate() as made, serving(chain=made.chain) as port:
            yield _Stub(scheme, port, made.authority)


def _ratio(cell: Samples, one: str, other: str, what: str) -> Spread:
    return ratios(*([sample[what] for sample in cell[name]] for name in (one, other)))


def _targets(scheme: str, cells: Mapping[str, Samples]) -> list[Target]:
    """Targets for 100 requests in flight."""
    found = []
    for name, cell in cells.items():
        product, verb, in_flight = name.split(", ")
        if int(in_flight) != _IN_FLIGHT:
            continue
        what = f"{_PRODUCTS[product]}, {verb}, {_SCHEMES[scheme]}"
        same = f"asyncsim, {SPEED}", f"bare aiohttp, {SPEED}"
        bounds = [
            (what, ("asyncsim", "bare aiohttp"), _BOUNDS[verb]),
            (f"{what}, {SPEED}", same, _BOUNDS[verb]),
        ]
        if verb == "update" and scheme == "https":
            bounds.append((f"{what}, {SPEED} to asyncio", (same[0], "bare aiohttp"), _SPEED_BOUND))
        for title, (one, other), bound in bounds:
            cpu = _ratio(cell, one, other, "cpu")
            title = f"{title}: CPU to bare aiohttp"
            found.append(Target(what=title, measured=cpu.median, bound=bound, spread=cpu.text()))
        faster = _ratio(cell, "twilio", "asyncsim", "wall")
        found.append(
            Target(
                what=f"{what}: throughput to twilio-python",
                measured=faster.median,
                bound=1.75,
                at_most=False,
                spread=faster.text(),
            )
        )
    return found


def _counted(stub: _Stub) -> tuple[list[Target], str]:
    """Count instructions, which a busy machine does not change."""
    counts = callgrind.count(_COUNTER, stub.url, authority=stub.authority)[1::2]
    found = dict(zip(COUNTED, counts, strict=True))
    targets = []
    for (product, verb, speed, contender), instructions in found.items():
        if contender == "bare aiohttp":
            continue
        what = f"{_PRODUCTS[product]}, {verb}, {_SCHEMES[stub.scheme]}"
        bases = [(f", {SPEED}" if speed else "", speed, _BOUNDS[verb])]
        if speed and verb == "update" and stub.scheme == "https":
            bases.append((f", {SPEED} to asyncio", False, _SPEED_BOUND))
        targets += [
            Target(
                what=f"{what}{how}: instructions to bare aiohttp",
                measured=instructions / found[product, verb, base, "bare aiohttp"],
                bound=bound,
                spread="counted",
            )
            for how, base, bound in bases
        ]
    return targets, f"{_SCHEMES[stub.scheme]}: instructions of each turn: {counts}"


def _table(scheme: str, cells: Mapping[str, Samples]) -> Table:
    rows = []
    for name, cell in cells.items():
        for contender in cell:
            cpu = Spread.of([one["cpu"] for one in cell[contender]])
            wall = Spread.of([1 / one["wall"] for one in cell[contender]])
            relative = _ratio(cell, contender, "bare aiohttp", "cpu")
            rows.append((name, contender, relative.text(), cpu.text(1e6, 0), wall.text(1, 0)))
    head = (
        "product, verb, in flight",
        "contender",
        "CPU to bare aiohttp",
        "CPU, µs",
        "requests a second",
    )
    return Table(title=f"All, by {_SCHEMES[scheme]}", head=head, rows=rows)


def _summary(schemes: Mapping[str, Mapping[str, Samples]]) -> Table:
    """Compare with bare aiohttp on asyncio, over plain HTTP and TLS."""
    rows = []
    for product, title in _PRODUCTS.items():
        for verb in _BOUNDS:
            cells = [found[f"{product}, {verb}, {_IN_FLIGHT}"] for found in schemes.values()]
            for contender in ("asyncsim", f"asyncsim, {SPEED}", f"bare aiohttp, {SPEED}", "twilio"):
                shown = (_ratio(cell, contender, "bare aiohttp", "cpu").text() for cell in cells)
                rows.append((title, verb, contender, *shown))
    head = ("product", "verb", "contender", *(_SCHEMES[scheme] for scheme in schemes))
    return Table(title="CPU, bare aiohttp on asyncio = 1", head=head, rows=rows)


def measure() -> Result:
    """Measure over plain HTTP and TLS, then count instructions."""
    samples: dict[str, Any] = {}
    targets, counted, tables, notes = [], [], [], []
    for scheme in _SCHEMES:
        with _serving(scheme) as stub:
            port = str(stub.port if scheme == "http" else 0)
            found = run(_WORKER, stub.url, port, authority=stub.authority)
            samples[scheme] = found["cells"]
            targets += _targets(scheme, found["cells"])
            tables.append(_table(scheme, found["cells"]))
            if "ceiling" in found:
                notes.append(f"the stub serves {found['ceiling']:,.0f} requests a second at most")
            if callgrind.available():
                more, note = _counted(stub)
                counted += more
                notes.append(note)
    if not counted:
        notes.append("valgrind is not installed: no instructions were counted")
    return Result(
        name="requests",
        question="What does one request cost: `sims.fetch` (GET) and `sims.update` (form POST)?",
        targets=[*counted, *targets],
        tables=[_summary(samples), *tables],
        notes=[*notes, *_NOTES],
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw CPU per request at 100 in flight."""
    groups = {
        f"{_PRODUCTS[product]}, {verb}, {title}": {
            contender: Spread.of([one["cpu"] * 1e6 for one in turns])
            for contender, turns in result.samples[scheme][
                f"{product}, {verb}, {_IN_FLIGHT}"
            ].items()
        }
        for scheme, title in _SCHEMES.items()
        for product in _PRODUCTS
        for verb in _BOUNDS
    }
    grouped_bars(groups, "CPU, µs a request", path)
