"""The emulator's own room, `/_emulator/`: health, the logs, the faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from attrs import asdict, evolve, fields_dict

from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.faults import Faults
from asyncsim.emulator.journal import Journal
from asyncsim.emulator.world import World
from asyncsim.wire import json


class Controls:
    """What a person, or a test in another process, may ask of the emulator itself."""

    def __init__(
        self,
        *,
        conditions: Conditions,
        worlds: Mapping[str, World],
        requests: Journal[Any],
        deliveries: Journal[Any],
        expire_tokens: Callable[[], None],
        commit: Callable[[], None],
    ) -> None:
        self._conditions = conditions
        self._worlds = worlds
        self._journals = {"requests": requests, "deliveries": deliveries}
        self._expire_tokens = expire_tokens
        self._commit = commit

    def routes(self) -> list[web.RouteDef]:
        """Paths under `/_emulator/`."""
        log = "/_emulator/{log:requests|deliveries}"
        return [
            web.get("/_emulator/health", self.health),
            web.get(log, self.read_log),
            web.delete(log, self.clear_log),
            web.get("/_emulator/faults", self.read_faults),
            web.post("/_emulator/faults", self.change_faults),
            web.post("/_emulator/tokens/expire", self.expire_tokens),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Say that the emulator is up, and how many SIMs it has."""
        sims = {
            name: {product: len(world.sims(product)) for product in ("wireless", "supersim")}
            for name, world in self._worlds.items()
        }
        return _reply({"status": "ok", "sims": sims})

    async def read_log(self, request: web.Request) -> web.Response:
        """Entries of a log; `?after=N` gives those with a higher number."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return _reply({"message": "after must be a whole number"}, 400)
        log = request.match_info["log"]
        return _reply({log: self._journals[log].plain(int(after))})

    async def clear_log(self, request: web.Request) -> web.Response:
        """Empty a log."""
        self._journals[request.match_info["log"]].clear()
        self._commit()
        return web.Response(status=204)

    async def read_faults(self, request: web.Request) -> web.Response:
        """The faults in force."""
        return _reply(asdict(self._conditions.faults))

    async def change_faults(self, request: web.Request) -> web.Response:
        """Change some faults, named in a JSON object; the others stay."""
        try:
            given = json.loads(await request.read())
            faults = evolve(self._conditions.faults, **_checked(given))
        except ValueError as error:
            return _reply({"message": str(error)}, 400)
        self._conditions.faults = faults
        return _reply(asdict(faults))

    async def expire_tokens(self, request: web.Request) -> web.Response:
        """Make every access token worthless."""
        self._expire_tokens()
        self._commit()
        return web.Response(status=204)


def _checked(given: Any) -> dict[str, Any]:
    known = fields_dict(Faults)
    if not isinstance(given, dict) or not set(given) <= set(known):
        raise ValueError(f"faults are a JSON object with any of {', '.join(known)}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise ValueError(f"{name} must be a number")
    return given


def _reply(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(value), status=status, content_type="application/json")
