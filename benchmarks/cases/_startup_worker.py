"""One start of the benchmark `startup`; prints JSON."""

# ruff: noqa: F401  # the cost of importing is measured

import asyncio
import importlib
import json
import sys
import time

_WHO = sys.argv[2]
_MAKERS = {
    "asyncsim": ("asyncsim_", "asyncsim_client"),
    "bare aiohttp": ("bare", "bare"),
    "twilio": ("twilio_", "twilio"),
    "httpx": ("httpx_", "httpx_client"),
}

_started = time.process_time()
if _WHO == "asyncsim":
    import asyncsim
elif _WHO == "bare aiohttp":
    import aiohttp
    import orjson
elif _WHO == "twilio":
    import twilio.http.async_http_client
    import twilio.rest
else:
    import httpx
_imported = time.process_time()


async def _first(base: str) -> float:
    """Send one request; the contender's own modules are imported before the clock starts."""
    from benchmarks.stub.responses import sid

    module, name = _MAKERS[_WHO]
    make = getattr(importlib.import_module(f"benchmarks.peers.{module}"), name)
    started = time.process_time()
    async with make(base, 32) as verbs:
        assert await verbs.fetch(sid(7)) == sid(7)
    return time.process_time() - started


_seconds = asyncio.run(_first(f"http://127.0.0.1:{sys.argv[1]}"))
print(json.dumps({"import": _imported - _started, "first request": _seconds}))
