"""A FastAPI service that activates SIMs: 202 at once, the wait in the background.

    python fastapi_service.py
    curl -X POST http://127.0.0.1:8080/sims/SID/activate
    curl http://127.0.0.1:8080/changes/1

Environment: credentials (see the README), `PUBLIC_URL` (at which the vendor reaches the service),
`HOST`, `PORT`, `CHANGES` (the SQLite file).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from changes import Changes, TooManyPending
from fastapi import FastAPI, HTTPException, Path

import asyncsim


def application(public_url: str, path: str) -> FastAPI:
    """Build the service; client and waits begin and end with it."""
    receiver = asyncsim.CallbackReceiver(f"{public_url}/callbacks", port=None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            asyncsim.Client.from_env(receiver=receiver) as client,
            Changes(client, path) as changes,
        ):
            app.state.changes = changes
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/callbacks", receiver.asgi())

    @app.post("/sims/{sid}/activate", status_code=202)
    async def activate(sid: str) -> dict[str, int]:
        try:
            return {"number": await app.state.changes.activate(sid)}
        except asyncsim.NotFound as error:
            raise HTTPException(404, str(error)) from error
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        except TooManyPending as error:
            raise HTTPException(503, "too many pending changes") from error
        except asyncsim.AsyncSimError as error:
            raise HTTPException(502, str(error)) from error

    @app.get("/changes/{number}")
    async def show(number: Annotated[int, Path(lt=10**9)]) -> dict[str, Any]:
        change: dict[str, Any] | None = app.state.changes.find(number)
        if change is None:
            raise HTTPException(404, "no such change")
        return change

    @app.get("/healthz")
    async def health() -> dict[str, int]:
        # Without asking the vendor: its outage is no reason to restart this service.
        return {"pending": app.state.changes.pending}

    return app


if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    url = os.environ.get("PUBLIC_URL", f"http://127.0.0.1:{port}")
    service = application(url, os.environ.get("CHANGES", "changes.db"))
    # An access log would hold the paths of callbacks, which are as private as credentials.
    uvicorn.run(
        service,
        host=host,
        port=port,
        http="h11",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        log_level="warning",
    )
