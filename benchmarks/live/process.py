"""The vendor's process, and its request counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from benchmarks.stub.process import running


@contextmanager
def serving(
    *,
    ours: int,
    others: int = 0,
    seed: int = 1,
    phases: Any = ((0.0, 100),),
    chain: str = "",
    **pace: float,
) -> Iterator[str]:
    """Run the vendor; yields its URL. `chain`: a certificate file, to serve over TLS."""
    options = json.dumps({"ours": ours, "others": others, "seed": seed, "phases": phases, **pace})
    with running("benchmarks.live", chain, options) as port:
        yield f"{'https' if chain else 'http'}://127.0.0.1:{port}"


async def counts(url: str) -> dict[str, Any]:
    """Read the vendor's request counts, and when each SIM settled."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/meter") as response:
        found: dict[str, Any] = json.loads(await response.read())
        return found
