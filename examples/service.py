"""A web service that activates SIMs on request and receives callbacks on the same port.

    python service.py            # then: curl -X POST http://127.0.0.1:8080/sims/SID/activate

It responds once the SIM has settled. Credentials come from the environment: see the README.
`PUBLIC_URL` is the URL at which the vendor reaches this service, such as `https://example.com`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from aiohttp import web

import asyncsim

CLIENT = web.AppKey("client", asyncsim.Client)


async def activate(request: web.Request) -> web.Response:
    """Activate one SIM and respond with its final status."""
    sims = request.app[CLIENT].supersim.sims
    try:
        sim = await sims.update_and_wait(request.match_info["sid"], status="active", timeout=300)
    except asyncsim.NotFound as error:
        return web.json_response({"error": str(error)}, status=404)
    except asyncsim.TransitionTimeout as error:
        return web.json_response({"error": str(error)}, status=504)
    except asyncsim.AsyncSimError as error:
        return web.json_response({"error": str(error)}, status=502)
    return web.json_response({"sid": sim.sid, "status": sim.status})


def application(public_url: str) -> web.Application:
    """Build the service; its client is opened and closed with it."""
    receiver = asyncsim.CallbackReceiver(f"{public_url}/callbacks", port=None)

    async def with_client(app: web.Application) -> AsyncIterator[None]:
        async with asyncsim.Client.from_env(receiver=receiver) as client:
            app[CLIENT] = client
            yield

    app = web.Application()
    app.router.add_post("/sims/{sid}/activate", activate)
    app.add_subapp("/callbacks", receiver.app())
    app.cleanup_ctx.append(with_client)
    return app


if __name__ == "__main__":
    url = os.environ.get("PUBLIC_URL", "http://127.0.0.1:8080")
    web.run_app(application(url), host="127.0.0.1", port=8080)
