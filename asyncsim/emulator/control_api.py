"""Control API of the emulator under `/_emulator/`: health, logs, faults, tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from attrs import asdict, evolve, fields_dict

from asyncsim.emulator.request_log import EntryLog
from asyncsim.emulator.settings import Faults, RuntimeSettings
from asyncsim.emulator.world import World
from asyncsim.wire import json

_LONGEST_NUMBER = 18
"""Digits; int() itself fails at some thousands."""

_JSON = ("application/json", "application/x-www-form-urlencoded")
"""Media types that faults may have: curl and urllib say the second unless told otherwise. Plain
text is what a page of another site would send, and older browsers without an `Origin`."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlApi:
    """The control API, for people and for tests in another process."""

    def __init__(
        self,
        *,
        settings: RuntimeSettings,
        worlds: Mapping[str, World],
        requests: EntryLog[Any],
        deliveries: EntryLog[Any],
        expire_tokens: Callable[[], None],
        commit: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._worlds = worlds
        self._logs = {"requests": requests, "deliveries": deliveries}
        self._expire_tokens = expire_tokens
        self._commit = commit

    def routes(self) -> list[web.RouteDef]:
        """Paths under `/_emulator/`; those that change something reject other sites' pages."""
        log = "/_emulator/{log:requests|deliveries}"
        return [
            web.get("/_emulator/health", self.health),
            web.get(log, self.read_log),
            web.delete(log, _own_site_only(self.clear_log)),
            web.get("/_emulator/faults", self.read_faults),
            web.post("/_emulator/faults", _own_site_only(self.change_faults)),
            web.post("/_emulator/tokens/expire", _own_site_only(self.expire_tokens)),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Report that the emulator is up, and how many SIMs it has."""
        sims = {
            name: {product: len(world.sims(product)) for product in ("wireless", "supersim")}
            for name, world in self._worlds.items()
        }
        return _json({"status": "ok", "sims": sims})

    async def read_log(self, request: web.Request) -> web.Response:
        """Entries of a log; with `?after=N` those with a higher number."""
        after = request.query.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > _LONGEST_NUMBER:
            return _json({"message": "after must be a whole number"}, 400)
        log = request.match_info["log"]
        return _json({log: self._logs[log].to_dicts(int(after))})

    async def clear_log(self, request: web.Request) -> web.Response:
        """Empty a log."""
        self._logs[request.match_info["log"]].clear()
        self._commit()
        return web.Response(status=204)

    async def read_faults(self, request: web.Request) -> web.Response:
        """The faults in force."""
        return _json(asdict(self._settings.faults))

    async def change_faults(self, request: web.Request) -> web.Response:
        """Change some faults, named in a JSON object; the others stay."""
        if request.content_type not in _JSON:
            return _json({"message": "send the faults as application/json"}, 415)
        try:
            given, known = json.loads(await request.read()), fields_dict(Faults)
            if not isinstance(given, dict) or not set(given) <= set(known):
                raise ValueError(f"faults are a JSON object with any of {', '.join(known)}")
            faults = evolve(self._settings.faults, **given)
        except (ValueError, RecursionError) as error:
            return _json({"message": str(error)}, 400)
        self._settings.faults = faults
        return _json(asdict(faults))

    async def expire_tokens(self, request: web.Request) -> web.Response:
        """Invalidate every access token."""
        self._expire_tokens()
        return web.Response(status=204)


def _own_site_only(handler: _Handler) -> _Handler:
    """Reject requests that a browser sends for a page of another site, without a preflight."""

    async def checked(request: web.Request) -> web.StreamResponse:
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        same = origin in (None, f"{request.scheme}://{request.host}")
        if not same or site not in (None, "same-origin", "none"):
            return _json({"message": "this request came from a page of another site"}, 403)
        return await handler(request)

    return checked


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(value), status=status, content_type="application/json")
