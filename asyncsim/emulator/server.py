"""HTTP in, answers out: who may enter, what goes wrong on purpose, the log.

A request is decided in one go, without an await, and committed before anything is answered; what
then takes time (a slow answer) no longer changes the world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from attrs import define, frozen

from asyncsim.clock import Clock
from asyncsim.emulated import Credentials
from asyncsim.emulator import identity
from asyncsim.emulator.auth import Denied, Tokens, check_basic
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.envelope import error_body, response_headers
from asyncsim.emulator.journal import Journal
from asyncsim.emulator.refusals import Refusal, not_found
from asyncsim.emulator.state import State
from asyncsim.emulator.views import dispatch
from asyncsim.emulator.views.desk import Answer, Desk
from asyncsim.vendors import VENDORS, Product, Vendor
from asyncsim.wire import forms, json

_SECRET_KEYS = frozenset({"client_secret", "RegistrationCode"})
_TOKEN_PATH = ["auth", "token"]


@frozen(kw_only=True)
class RequestRecord:
    """One request and how it was answered."""

    seconds: float
    """When it came, on the emulator's clock."""
    vendor: str
    product: str
    """Empty at the token endpoint."""
    method: str
    path: str
    """As sent, from the product's base URL."""
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    """Without secrets."""
    status: int | None
    """None: the connection was closed instead of an answer."""
    code: int | None = None
    """The vendor's error code."""
    sid: str | None = None
    """The record it was about, if it was about one."""
    number: int = 0


@define
class _Call:
    """One request, read."""

    vendor: Vendor
    room: str
    method: str
    raw_path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    authorization: str | None
    arrived: float
    number: int


@define
class _Reply:
    """What will be answered; status None closes the connection."""

    status: int | None
    body: Any = None
    code: int | None = None
    sid: str | None = None
    headers: dict[str, str] | None = None
    wait: float = 0.0


class Server:
    """The vendors' rooms behind one port."""

    def __init__(
        self,
        *,
        clock: Clock,
        state: State,
        conditions: Conditions,
        credentials: Credentials,
        tokens: Tokens,
        desks: Mapping[str, Desk],
        journal: Journal[RequestRecord],
    ) -> None:
        self._clock = clock
        self._state = state
        self._conditions = conditions
        self._credentials = credentials
        self._tokens = tokens
        self._desks = desks
        self._journal = journal
        self._started = clock.now()
        self._in_flight = dict.fromkeys(desks, 0)
        self._arrivals = 0

    def routes(self) -> list[web.RouteDef]:
        """Everything under the vendors' names."""
        return [
            web.route("*", f"/{vendor}/{{room}}{{rest:.*}}", self.handle) for vendor in self._desks
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Deal with one request of a vendor's API."""
        call = await self._read(request)
        admitted, reply = self._decide(call)
        self._in_flight[call.vendor.name] += admitted
        try:
            if reply.wait > 0:
                with self._clock.resting():
                    await self._clock.sleep(reply.wait)
            return self._respond(request, call, reply)
        finally:
            self._in_flight[call.vendor.name] -= admitted

    async def _read(self, request: web.Request) -> _Call:
        self._arrivals += 1
        number, arrived = self._arrivals, self._clock.now()
        path, _, query = request.raw_path.partition("?")
        _, vendor, room, *rest = path.split("/", 3)
        body = await request.text() if _is_form(request) else ""
        return _Call(
            vendor=VENDORS[vendor],
            room=room,
            method=request.method,
            raw_path="/" + "/".join(rest),
            query=forms.decode(query),
            form=forms.decode(body),
            authorization=request.headers.get("Authorization"),
            arrived=arrived,
            number=number,
        )

    def _decide(self, call: _Call) -> tuple[bool, _Reply]:
        """Deal with a request; the first value tells whether it takes a place until answered."""
        if call.vendor.login == "client_credentials" and call.room == _TOKEN_PATH[0]:
            admitted, reply = False, self._mint(call)
        else:
            admitted, reply = self._guarded(call)
        self._log(call, reply)
        self._state.commit()
        return admitted, reply

    def _guarded(self, call: _Call) -> tuple[bool, _Reply]:
        try:
            self._authenticate(call)
        except Denied as denied:
            return False, _Reply(denied.status, denied.body)
        except Refusal as refusal:
            challenge = {"WWW-Authenticate": 'Basic realm="Twilio API"'}
            return False, self._refused(call, refusal, challenge)
        if self._is_crowded(call):
            return False, self._refused(call, Refusal(20429, "Too Many Requests"), self._pause())
        return True, self._disturbed(call)

    def _authenticate(self, call: _Call) -> None:
        if call.vendor.login == "basic":
            check_basic(call.authorization, self._credentials)
        else:
            self._tokens.check(call.authorization)

    def _is_crowded(self, call: _Call) -> bool:
        limit = self._conditions.faults.concurrency
        if limit is not None and self._in_flight[call.vendor.name] >= limit:
            return True
        return self._conditions.strikes("rate_limited")

    def _pause(self) -> dict[str, str]:
        seconds = self._conditions.faults.retry_after
        return {} if seconds is None else {"Retry-After": f"{seconds:g}"}

    def _disturbed(self, call: _Call) -> _Reply:
        """The request's answer, unless a fault gets in the way before or after it is dealt with."""
        strikes, faults = self._conditions.strikes, self._conditions.faults
        fault = next((name for name in ("dropped", "server_errors") if strikes(name)), None)
        processed = fault is None or strikes("share_processed")
        reply = self._answer(call) if processed else None
        if fault == "dropped":
            reply = _Reply(None, sid=reply and reply.sid)
        elif fault == "server_errors":
            reply = self._failed(call, processed)
        assert reply is not None  # noqa: S101  # without a fault it was processed
        reply.wait = faults.answer_takes + (faults.slow_seconds if strikes("slow") else 0.0)
        return reply

    def _failed(self, call: _Call, processed: bool) -> _Reply:
        if processed:
            return self._refused(call, Refusal(20500, "Internal Server Error"))
        return self._refused(call, Refusal(20503, "Service Unavailable"))

    def _answer(self, call: _Call) -> _Reply:
        try:
            reply = self._dispatch(call)
        except Refusal as refusal:
            return self._refused(call, refusal)
        return _Reply(reply.status, reply.body, sid=reply.sid)

    def _dispatch(self, call: _Call) -> Answer:
        try:
            product = Product(call.room)
        except ValueError:
            raise not_found(call.raw_path) from None
        segments = [unquote(segment) for segment in call.raw_path.strip("/").split("/")]
        desk = self._desks[call.vendor.name]
        return dispatch(desk, product, call.method, segments, call.query, call.form)

    def _refused(
        self, call: _Call, refusal: Refusal, headers: dict[str, str] | None = None
    ) -> _Reply:
        status = refusal.http_status(self._conditions.behaviour)
        body = error_body(call.vendor, status, refusal.code, refusal.message)
        return _Reply(status, body, refusal.code, headers=headers)

    def _mint(self, call: _Call) -> _Reply:
        if f"/{call.room}{call.raw_path}" != "/" + "/".join(_TOKEN_PATH):
            return self._refused(call, not_found(call.raw_path))
        if call.method != "POST":
            return self._refused(call, Refusal(20004, "Method not allowed"))
        try:
            lifetime = self._conditions.behaviour.kore_token_lifetime
            return _Reply(200, self._tokens.mint(call.form, lifetime))
        except Denied as denied:
            return _Reply(denied.status, denied.body)

    def _log(self, call: _Call, reply: _Reply) -> None:
        is_api = call.room in {product.value for product in Product}
        self._journal.append(
            RequestRecord(
                seconds=call.arrived - self._started,
                vendor=call.vendor.name,
                product=call.room if is_api else "",
                method=call.method,
                path=call.raw_path if is_api else f"/{call.room}{call.raw_path}",
                query=call.query,
                form=_without_secrets(call.form),
                status=reply.status,
                code=reply.code,
                sid=reply.sid,
            )
        )

    def _respond(self, request: web.Request, call: _Call, reply: _Reply) -> web.StreamResponse:
        if reply.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # never sent: the connection is gone
        headers = response_headers(
            call.vendor,
            call.room,
            request_id="RQ" + identity.digest(self._conditions.seed, "request", call.number),
            seconds=self._clock.now() - call.arrived,
            in_flight=self._in_flight[call.vendor.name],
        )
        return web.Response(
            status=reply.status,
            body=b"" if reply.body is None else json.dumps(reply.body),
            headers={**headers, **(reply.headers or {})},
            content_type=None if reply.body is None else "application/json",
        )


def _is_form(request: web.Request) -> bool:
    return request.content_type == "application/x-www-form-urlencoded"


def _without_secrets(form: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {key: ["***"] if key in _SECRET_KEYS else list(values) for key, values in form.items()}
