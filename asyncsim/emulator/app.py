"""HTTP in, answers out, and the log.

What a request does is committed before anything is answered; what then takes time (a slow answer)
no longer changes the world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import web

from asyncsim.clock import Clock
from asyncsim.emulator import identity
from asyncsim.emulator.envelope import response_headers
from asyncsim.emulator.exchange import FORM, Call, Reply, RequestRecord, record_of
from asyncsim.emulator.persistence import State
from asyncsim.emulator.reception import Reception
from asyncsim.emulator.request_log import Journal
from asyncsim.vendors import VENDORS
from asyncsim.wire import forms, json


class Server:
    """The vendors' rooms behind one port."""

    def __init__(
        self, clock: Clock, state: State, reception: Reception, journal: Journal[RequestRecord]
    ) -> None:
        self._clock = clock
        self._state = state
        self._reception = reception
        self._journal = journal
        self._started = clock.now()
        self._in_flight: Counter[str] = Counter()
        self._answers = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Everything under the vendors' names."""
        for vendor in VENDORS:
            yield web.route("*", f"/{vendor}/{{room}}{{rest:.*}}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Deal with one request of a vendor's API."""
        call = await self._read(request)
        reply = self._reception.decide(call, self._in_flight)
        self._journal.append(record_of(call, reply, self._started))
        self._state.commit()
        with self._held(reply.holds):
            await self._linger(reply)
            return self._respond(request, call, reply)

    @contextmanager
    def _held(self, account: str | None) -> Iterator[None]:
        """Count a request as in flight in its account."""
        if account is not None:
            self._in_flight[account] += 1
        try:
            yield
        finally:
            if account is not None:
                self._in_flight[account] -= 1

    async def _read(self, request: web.Request) -> Call:
        arrived = self._clock.now()
        # Not aiohttp's decoded path: a name may hold an encoded slash.
        path, _, query = request.raw_path.partition("?")
        _, vendor, room, *rest = path.split("/", 3)
        body = await request.read()
        content_type = request.content_type if "Content-Type" in request.headers else ""
        form = body.decode("utf-8", "replace") if content_type == FORM else ""
        return Call(
            vendor=VENDORS[vendor],
            room=room,
            path="/" + "/".join(rest),
            method=request.method,
            query=forms.decode(query),
            form=forms.decode(form),
            body=body,
            content_type=content_type,
            authorization=request.headers.get("Authorization"),
            arrived=arrived,
        )

    async def _linger(self, reply: Reply) -> None:
        if reply.wait > 0:
            with self._clock.resting():
                await self._clock.sleep(reply.wait)

    def _respond(self, request: web.Request, call: Call, reply: Reply) -> web.StreamResponse:
        if reply.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # never sent: the connection is gone
        return web.Response(
            status=reply.status,
            body=None if reply.body is None else json.dumps(reply.body),
            headers={**self._headers(call, reply), **reply.headers},
            content_type=None if reply.body is None else "application/json",
        )

    def _headers(self, call: Call, reply: Reply) -> dict[str, str]:
        self._answers += 1
        return response_headers(
            call.vendor,
            call.room,
            request_id="RQ" + identity.digest(0, "request", self._answers, self._started),
            seconds=self._clock.now() - call.arrived,
            in_flight=self._in_flight[reply.holds or ""],
        )
