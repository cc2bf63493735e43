"""Plots of what happened, as altair charts (extra `plots`); each has a function for its data.

::

    recorder = Recorder()
    client = Client.from_env(observers=[recorder])
    report = await bulk.run(job, client, journal=journal, observers=[recorder])
    plots.timeline(recorder)
    pl.DataFrame(plots.timeline_data(recorder))

Data are lists of dictionaries, which polars and pandas take as they are. However much was
recorded, a plot has at most a few thousand rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncsim import Outcome
from asyncsim.events import RequestFinished, RowMoved, SweepFinished, WaitSettled, WaitStarted
from asyncsim.observers import Recorder

Rows = list[dict[str, Any]]
Results = Sequence[Mapping[str, Any]]
"""The rows of a job: `await report.to_dicts()`."""
Settled = Recorder | Results | Sequence[Outcome[Any]]
"""What `settling` takes: a recorder, the rows of a job, or outcomes of `update_many`."""

_MOMENTS = 200  # on the axis of a plot over time; more cannot be told apart
_POINTS = 400  # of each line of `settling`

# Of middling brightness, so that they are readable on white and on black; the order of the
# states is that of a row's life.
_STATES = {
    "waiting to be sent": "#9aa3ad",
    "sending": "#c9a227",
    "accepted": "#5b8fd6",
    "timed out": "#d98a3d",
    "no answer": "#b07cc6",
    "failed": "#d9534f",
    "unknown": "#a8324a",
    "impossible": "#8d6e63",
    "already": "#7fbf9b",
    "done": "#2e9e6b",
}
_NOTICED = {
    "callback": "a callback",
    "sweep": "a sweep",
    "read": "a read",
    "answer": "the response itself",
}
_COLOURS = ["#2e9e6b", "#5b8fd6", "#c9a227", "#9a7fd1", "#d9534f", "#4fb3bf", "#8d6e63", "#8a929b"]
_GREY = "#8a929b"
_RED = "#d9534f"


# Data.


def timeline_data(recorder: Recorder) -> Rows:
    """How many SIMs were in each state, over time: `seconds`, `state`, `sims`.

    Of a job, its rows by state. Without one, the waits of the client: `accepted` while they are
    pending, then `done` or `failed`.
    """
    moves = list(_row_moves(recorder)) or list(_wait_moves(recorder))
    if not moves:
        return []
    total = len({name for _, name, _ in moves})
    first, last = moves[0][0], max(moves[-1][0], moves[0][0] + 1e-3)
    step = (last - first) / _MOMENTS
    states: dict[Any, str] = {}
    counts: Counter[str] = Counter({"waiting to be sent": total})
    data: Rows = []

    def add(moment: float) -> None:
        data.extend(
            {"seconds": round(moment, 3), "state": state, "sims": counts[state]}
            for state in _STATES
            if state in counts  # zeros too, once it has occurred: areas must not jump
        )

    due = first
    for moment, name, state in moves:
        while due < min(moment, last - step / 2):
            add(due)
            due += step
        counts[states.get(name, "waiting to be sent")] -= 1
        counts[state] += 1
        states[name] = state
    add(last)
    return data


def _row_moves(recorder: Recorder) -> Iterable[tuple[float, Any, str]]:
    for moment, event in recorder:
        if isinstance(event, RowMoved):
            known = event.state in _STATES  # `read` and `ready` are before the first request
            yield moment, event.row, event.state if known else "waiting to be sent"


def _wait_moves(recorder: Recorder) -> Iterable[tuple[float, Any, str]]:
    names: dict[int, int] = {}  # wait -> its number; a new wait may have the id of an old one
    for number, (moment, event) in enumerate(recorder):
        if isinstance(event, WaitStarted):
            names[event.wait] = number
            yield moment, number, "accepted"
        elif isinstance(event, WaitSettled) and event.wait in names:
            yield moment, names.pop(event.wait), "failed" if event.error else "done"


def settling_data(settled: Settled | Mapping[str, Settled]) -> Rows:
    """How long SIMs took to settle: `group`, `noticed_by`, `seconds`, `settled`, `sweep`.

    `settled` SIMs of that group that were noticed that way took at most so many seconds from the
    start of their wait. `sweep` is the number of the sweep, of a recorder. Pass a mapping to
    compare groups.
    """
    groups = settled if isinstance(settled, Mapping) else {"": settled}
    data: Rows = []
    for group, one in groups.items():
        times = list(_times(one))
        for way in _NOTICED:
            ordered = sorted((seconds, sweep) for found, seconds, sweep in times if found == way)
            every = max(1, len(ordered) // _POINTS)
            data.extend(
                {
                    "group": group,
                    "noticed_by": _NOTICED[way],
                    "seconds": round(seconds, 3),
                    "settled": number,
                    "sweep": sweep,
                }
                for number, (seconds, sweep) in enumerate(ordered, start=1)
                if number % every == 0 or number in (1, len(ordered))
            )
    return data


def _times(settled: Settled) -> Iterable[tuple[str, float, int]]:
    """How each SIM was noticed, its seconds, and the number of the sweep (0: unknown, none)."""
    if not isinstance(settled, Recorder):
        for one in settled:
            if isinstance(one, Outcome):
                if one.ok and one.settled_by is not None:
                    yield one.settled_by, one.seconds, 0
            elif one["state"] == "done" and one["settled_by"] and one["seconds"] is not None:
                yield one["settled_by"], one["seconds"], 0
        return
    sweep = 1
    for _, event in settled:
        if isinstance(event, SweepFinished):
            sweep += 1
        elif isinstance(event, WaitSettled) and event.error is None and event.settled_by:
            swept = event.settled_by == "sweep"
            yield event.settled_by, event.seconds, sweep if swept else 0


def limit_data(recorder: Recorder) -> Rows:
    """The concurrency limit over time: `seconds`, `limit`, `in_flight`, `responses`, `throttled`.

    Each row is a short span: the limit at its end, the most requests in flight during it, the
    responses in it, and how many of them were 429s.
    """
    found = [
        (moment, event)
        for moment, event in recorder
        if isinstance(event, RequestFinished) and event.limit is not None
    ]
    if not found:
        return []
    first = found[0][0]
    step = max((found[-1][0] - first) / _MOMENTS, 1e-3)
    spans: dict[int, dict[str, Any]] = {}
    for moment, event in found:
        number = int((moment - first) / step)
        span = spans.setdefault(
            number,
            {"seconds": round(first + number * step, 3), "limit": 0.0, "in_flight": 0}
            | {"responses": 0, "throttled": 0},
        )
        span["limit"] = round(event.limit or 0.0, 2)
        span["in_flight"] = max(span["in_flight"], event.in_flight or 0)
        span["responses"] += 1
        span["throttled"] += event.status == 429
    return list(spans.values())


# Charts.


def timeline(recorder: Recorder) -> Any:
    """Plot how many SIMs were in each state over time, as an `altair.Chart`: `timeline_data`."""
    alt, data = _altair(), timeline_data(recorder)
    found = {row["state"] for row in data}
    states = [state for state in _STATES if state in found]
    chart = alt.Chart(alt.Data(values=data)).mark_area(interpolate="step-after", opacity=0.85)
    return _styled(
        chart.encode(
            x=_seconds(alt, "Seconds since the recording began"),
            y=alt.Y("sims:Q", title="SIMs", stack="zero"),
            color=alt.Color(
                "state:N",
                title="State",
                sort=states,
                scale=alt.Scale(domain=states, range=[_STATES[state] for state in states]),
            ),
            order=alt.Order("rank:Q", sort="descending"),
            tooltip=["seconds:Q", "state:N", "sims:Q"],
        ).transform_calculate(rank=f"indexof({states!r}, datum.state)")
    )


def settling(settled: Settled | Mapping[str, Settled]) -> Any:
    """Plot how long SIMs took to settle, by how that was noticed: `settling_data`.

    A line rises by one for each SIM. SIMs noticed by a sweep wait for the next one, so their
    line has steps; points mark the last SIM of each sweep, where a recorder knows them. Of a
    mapping, each group has its own colour.
    """
    alt, data = _altair(), settling_data(settled)
    ways = [way for way in _NOTICED.values() if any(row["noticed_by"] == way for row in data)]
    if isinstance(settled, Mapping):
        names = list(settled)
        colour = alt.Color("group:N", title=None, sort=names, scale=_palette(alt, names))
    else:
        colours = dict(zip(_NOTICED.values(), _COLOURS, strict=False))
        scale = alt.Scale(domain=ways, range=[colours[way] for way in ways])
        colour = alt.Color("noticed_by:N", title="Noticed by", scale=scale)
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("seconds:Q", title="Seconds to settle"),
        y=alt.Y("settled:Q", title="SIMs settled"),
        color=colour,
        tooltip=["group:N", "noticed_by:N", "seconds:Q", "settled:Q", "sweep:Q"],
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2)
    if isinstance(settled, Mapping):
        legend = alt.Legend(symbolType="stroke", symbolStrokeColor=_GREY)
        dash = alt.StrokeDash("noticed_by:N", title="Noticed by", sort=ways, legend=legend)
        lines = lines.encode(strokeDash=dash)
    steps = (
        base.transform_filter("datum.sweep > 0")
        .transform_joinaggregate(last="max(settled)", groupby=["group", "sweep"])
        .transform_filter("datum.settled == datum.last")
        .mark_point(filled=True, size=45, opacity=1)
    )
    return _styled(lines + steps)


def limit(recorder: Recorder) -> Any:
    """Plot the concurrency limit, requests in flight, and 429s over time: `limit_data`."""
    alt, data = _altair(), limit_data(recorder)
    base = alt.Chart(alt.Data(values=data)).encode(
        x=_seconds(alt, "Seconds since the recording began"),
        tooltip=["seconds:Q", "limit:Q", "in_flight:Q", "responses:Q", "throttled:Q"],
    )
    kinds = alt.Scale(
        domain=["concurrency limit", "in flight", "throttled (429)"], range=["#5b8fd6", _GREY, _RED]
    )

    def layer(kind: str, field: str) -> Any:
        named = base.transform_calculate(kind=f"'{kind}'")
        return named.encode(
            y=alt.Y(field, title="Requests"), color=alt.Color("kind:N", title=None, scale=kinds)
        )

    in_flight = layer("in flight", "in_flight:Q").mark_area(interpolate="step-after", opacity=0.35)
    line = layer("concurrency limit", "limit:Q").mark_line(interpolate="step-after", strokeWidth=2)
    throttled = layer("throttled (429)", "limit:Q").transform_filter("datum.throttled > 0")
    size = alt.Size("throttled:Q", legend=None, scale=alt.Scale(range=[25, 160]))
    return _styled(in_flight + line + throttled.mark_point(filled=True, opacity=0.9).encode(size))


def _palette(alt: Any, names: Sequence[str]) -> Any:
    """A colour for each name; beyond eight they begin again."""
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(names))]
    return alt.Scale(domain=list(names), range=colours)


def _seconds(alt: Any, title: str) -> Any:
    return alt.X("seconds:Q", title=title, scale=alt.Scale(nice=False))


def _styled(chart: Any) -> Any:
    """Colours that fit a light and a dark page: no background, grey text and lines."""
    text = {"labelColor": _GREY, "titleColor": _GREY}
    return (
        chart.properties(width=560, height=260, background="transparent")
        .configure_view(strokeOpacity=0)
        .configure_axis(
            **text, gridColor=_GREY, gridOpacity=0.2, domainColor=_GREY, tickColor=_GREY
        )
        .configure_legend(**text, symbolOpacity=1)
        .configure_title(color=_GREY)
    )


def _altair() -> Any:
    try:
        import altair as alt  # pyright: ignore[reportMissingImports]  # the extra is optional
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'asyncsim.plots needs an extra; install it with: pip install "asyncsim[plots]"',
            name=error.name,
        ) from error
    return alt
