"""Activity of an emulator as bounded text: what the report of a failed test shows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from asyncsim.emulator.request_log import RequestRecord
from asyncsim.vendors import VENDORS

if TYPE_CHECKING:
    from asyncsim.emulator.emulator import Emulator

_REQUESTS = 40  # the latest ones, in a report
_SIMS = 20
_CHANGES = 12  # the first ones of a SIM
_KEPT = 1000  # SIMs whose changes are kept: a long session must not fill the memory
_WIDTH = 160


class SimTimelines:
    """The statuses that each SIM has passed through since the emulator was started."""

    def __init__(self) -> None:
        self.changes: dict[str, list[tuple[float, str]]] = {}
        """SID to seconds on the emulator's clock and status."""
        self.started = 0.0

    def attach(self, emulator: Emulator) -> None:
        """Record the changes of the SIMs of both main accounts."""
        self.started = emulator.clock.now()
        for vendor in VENDORS:
            for product in ("supersim", "wireless"):
                emulator.world(vendor).sims(product).watch(partial(self._put, emulator))

    def _put(self, emulator: Emulator, before: Any, record: Any) -> None:
        if before is not None and before.status == record.status:
            return
        changes = self.changes.get(record.sid)
        if changes is None:
            if len(self.changes) >= _KEPT:
                return
            start = [] if before is None else [(self.started, str(before.status))]
            changes = self.changes[record.sid] = start
        if len(changes) <= _CHANGES:
            changes.append((emulator.clock.now(), str(record.status)))


def activity_text(emulator: Emulator, timelines: SimTimelines) -> str:
    """The latest requests and each SIM's statuses; no callback URL, as it holds a ticket."""
    requests = list(emulator.requests)
    lines = [_heading("requests", len(requests), _REQUESTS, "the latest")]
    lines += [_request_line(one) for one in requests[-_REQUESTS:]]
    lines.append(_heading("SIMs that changed", len(timelines.changes), _SIMS, "the first"))
    for sid, changes in list(timelines.changes.items())[:_SIMS]:
        shown = [f"{at - timelines.started:.3f} s {status}" for at, status in changes[:_CHANGES]]
        more = ["..."] if len(changes) > _CHANGES else []
        lines.append(f"  {sid}  {', '.join([*shown, *more])}")
    deliveries = list(emulator.deliveries)
    if deliveries:
        lines.append(_heading("callbacks", len(deliveries), _SIMS, "the latest"))
        for one in deliveries[-_SIMS:]:
            # What follows a colon is an error's text, which may quote the URL and so its ticket.
            said = f"{one.outcome} {one.status or (one.reason or '').partition(':')[0]}".rstrip()
            lines.append(f"  {one.seconds:8.3f} s  {one.sid}  {said}")
    return "\n".join(line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..." for line in lines)


def _heading(noun: str, number: int, shown: int, which: str) -> str:
    limited = f", {which} {shown}" if number > shown else ""
    return f"{noun}: {number}{limited}"


def _request_line(one: RequestRecord) -> str:
    # Values are customers' data; only the target status explains a failure.
    form = " ".join(f"{key}={one.form[key][0]}" if key == "Status" else key for key in one.form)
    result = "closed" if one.status is None else str(one.status)
    code = f" code {one.code}" if one.code is not None else ""
    hidden = f" (carried out: {one.hidden})" if one.hidden is not None else ""
    where = f"{one.vendor}/{one.product or 'auth'}{one.path}"
    text = f"{one.seconds:8.3f} s  {result}{code}{hidden}  {one.method} {where}  {form}"
    return f"  {text.rstrip()}"
