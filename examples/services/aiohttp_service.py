"""An aiohttp service that activates SIMs: 202 at once, the wait in the background.

    python aiohttp_service.py
    curl -X POST http://127.0.0.1:8080/sims/SID/activate
    curl http://127.0.0.1:8080/changes/1

Environment: credentials (see the README), `PUBLIC_URL` (at which the vendor reaches the service),
`HOST`, `PORT`, `CHANGES` (the SQLite file).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from aiohttp import web
from changes import Changes, TooManyPending

import asyncsim

CHANGES = web.AppKey("changes", Changes)


async def activate(request: web.Request) -> web.Response:
    """Accept a change."""
    try:
        number = await request.app[CHANGES].activate(request.match_info["sid"])
    except asyncsim.NotFound as error:
        return web.json_response({"error": str(error)}, status=404)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except TooManyPending:
        return web.json_response({"error": "too many pending changes"}, status=503)
    except asyncsim.AsyncSimError as error:
        return web.json_response({"error": str(error)}, status=502)
    return web.json_response({"number": number}, status=202)


async def show(request: web.Request) -> web.Response:
    """Say how a change stands."""
    change = request.app[CHANGES].find(int(request.match_info["number"]))
    if change is None:
        return web.json_response({"error": "no such change"}, status=404)
    return web.json_response(change)


async def health(request: web.Request) -> web.Response:
    """Respond without asking the vendor: its outage is no reason to restart this service."""
    return web.json_response({"pending": request.app[CHANGES].pending})


def application(public_url: str, path: str) -> web.Application:
    """Build the service; client and waits begin and end with it."""
    receiver = asyncsim.CallbackReceiver(f"{public_url}/callbacks", port=None)

    async def with_changes(app: web.Application) -> AsyncIterator[None]:
        async with (
            asyncsim.Client.from_env(receiver=receiver) as client,
            Changes(client, path) as changes,
        ):
            app[CHANGES] = changes
            yield

    app = web.Application()
    app.router.add_post("/sims/{sid}/activate", activate)
    app.router.add_get(r"/changes/{number:\d{1,9}}", show)
    app.router.add_get("/healthz", health)
    app.add_subapp("/callbacks", receiver.app())
    app.cleanup_ctx.append(with_changes)
    return app


if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    url = os.environ.get("PUBLIC_URL", f"http://127.0.0.1:{port}")
    service = application(url, os.environ.get("CHANGES", "changes.db"))
    # An access log would hold the paths of callbacks, which are as private as credentials.
    web.run_app(service, host=host, port=port, access_log=None, print=None, shutdown_timeout=10.0)
