"""Memory of a streamed list of 40,000 rows."""

from __future__ import annotations

import json
import tracemalloc
from urllib.parse import parse_qs, urlsplit

from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi

ROWS, SIZE = 40_000, 1000
MAX_MEMORY = 6_000_000  # bytes, client and server: a few pages of 1,000 rows

TEXT = json.dumps(
    [
        {"sid": f"HS{n:032x}", "status": "active", "iccid": f"8988{n:016}", "unique_name": None}
        for n in range(SIZE)
    ]
)


async def a_page(one: Received) -> ScriptedResponse:
    number = int(parse_qs(urlsplit(one.raw_path).query).get("Page", ["0"])[0])
    following = f'"?PageSize={SIZE}&Page={number + 1}"' if number + 1 < ROWS // SIZE else "null"
    return ScriptedResponse(200, f'{{"sims": {TEXT}, "meta": {{"next_page_url": {following}}}}}')


async def test_forty_thousand_rows_stream_in_bounded_memory(scripted: ScriptedApi) -> None:
    scripted.script = a_page
    scripted.server.received = scripted.server.statuses = _DiscardingList()
    seen, base, last = 0, 0, ""
    tracemalloc.start()
    try:
        async for sim in scripted.client.supersim.sims.list(page_size=SIZE):
            seen, last = seen + 1, sim.sid
            if seen == 3 * SIZE:  # everything allocated once exists by now
                base = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (seen, last) == (ROWS, f"HS{SIZE - 1:032x}")
    assert peak - base < MAX_MEMORY


class _DiscardingList(list):  # type: ignore[type-arg]  # the server's own log would grow
    def append(self, _: object) -> None:
        pass
