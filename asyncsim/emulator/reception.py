"""What becomes of a request: who may enter, what goes wrong on purpose, who deals with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from asyncsim.emulator.auth import Denied, Tokens, check_basic
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.context import Answer, Desk
from asyncsim.emulator.envelope import error_body
from asyncsim.emulator.errors import Refusal, allow, method_not_allowed, not_found
from asyncsim.emulator.exchange import FORM, Call, Reply
from asyncsim.emulator.routes import dispatch, methods_at
from asyncsim.emulator.webhooks import secrets
from asyncsim.vendors import Product

_PRODUCTS = frozenset(product.value for product in Product)
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Twilio API"'}


class Reception:
    """Decides on requests, each in one go and without an await."""

    def __init__(
        self,
        conditions: Conditions,
        tokens: Tokens,
        desks: Mapping[str, Desk],
    ) -> None:
        self._conditions = conditions
        self._tokens = tokens
        self._desks = desks

    def decide(self, call: Call, in_flight: Mapping[str, int]) -> Reply:
        """Deal with a request, given how many others of each account are not answered yet."""
        if call.method == "OPTIONS":
            return self._options(call)
        if call.vendor.login == "client_credentials" and call.room == "auth":
            return self._mint(call)
        try:
            desk = self._authenticate(call)
        except Denied as denied:
            return Reply(status=denied.status, body=denied.body)
        except Refusal as refusal:
            return self._refused(call, refusal, _CHALLENGE)
        account = f"{call.vendor.name} {desk.world.account_sid}"
        if self._is_crowded(in_flight.get(account, 0)):
            return self._refused(call, Refusal(20429, "Too Many Requests"), self._pause())
        reply = self._disturbed(call, desk)
        reply.holds = account
        reply.wait = self._takes()
        return reply

    def _authenticate(self, call: Call) -> Desk:
        """The desk of the account that the credentials belong to."""
        desk = self._desks[call.vendor.name]
        if call.vendor.login == "basic":
            accounts = (world.credentials for world in desk.world.family())
            account_sid = check_basic(call.authorization, accounts)
        else:
            account_sid = self._tokens.check(call.authorization)
        subaccount = desk.world.subaccounts.get(account_sid)
        return desk if subaccount is None else desk.of(subaccount)

    def _is_crowded(self, in_flight: int) -> bool:
        limit = self._conditions.faults.concurrency
        if limit is not None and in_flight >= limit:
            return True
        return self._conditions.strikes("rate_limited")

    def _pause(self) -> dict[str, str]:
        seconds = self._conditions.faults.retry_after
        return {} if seconds is None else {"Retry-After": f"{seconds:g}"}

    def _takes(self) -> float:
        faults = self._conditions.faults
        return faults.answer_takes + (
            faults.slow_seconds if self._conditions.strikes("slow") else 0
        )

    def _disturbed(self, call: Call, desk: Desk) -> Reply:
        """The request's answer, unless a fault strikes before or after it is dealt with."""
        strikes = self._conditions.strikes
        fault = next((name for name in ("dropped", "server_errors") if strikes(name)), None)
        if fault is None:
            return self._answer(call, desk)
        hidden = self._answer(call, desk) if strikes("share_processed") else None
        if fault == "dropped":
            reply = Reply(status=None)
        elif hidden is not None:
            reply = self._refused(call, Refusal(20500, "Internal Server Error"))
        else:
            reply = self._refused(call, Refusal(20503, "Service Unavailable"))
        if hidden is not None:
            reply.sid, reply.hidden = hidden.sid, hidden.status
        return reply

    def _answer(self, call: Call, desk: Desk) -> Reply:
        try:
            answer = self._dispatch(call, desk)
        except Refusal as refusal:
            return self._refused(call, refusal)
        return Reply(status=answer.status, body=answer.body, sid=answer.sid)

    def _dispatch(self, call: Call, desk: Desk) -> Answer:
        product = _product_of(call)
        if product is None:
            raise not_found(call.path)
        if product is Product.WEBHOOKS:
            _check_media_type(call, "application/json", code=40415)
            return secrets.answer(desk, call.method, _segments(call), call.query, call.body)
        _check_media_type(call, FORM, code=20415)
        return dispatch(desk, product, call.method, _segments(call), call.query, call.form)

    def _options(self, call: Call) -> Reply:
        """What a browser asks before it sends a request; it sends no credentials with that."""
        product = _product_of(call)
        if call.room == "auth" and call.path == "/token":
            methods: Sequence[str] = ("POST",)
        elif product is Product.WEBHOOKS:
            methods = secrets.methods_at(_segments(call))
        else:
            methods = () if product is None else methods_at(product, _segments(call))
        if not methods:
            return self._refused(call, not_found(call.path))
        return Reply(status=200, headers={"Allow": allow(methods)})

    def _mint(self, call: Call) -> Reply:
        """KORE's token endpoint."""
        if call.path != "/token":
            return self._refused(call, not_found(f"/auth{call.path}"))
        if call.method != "POST":
            return self._refused(call, method_not_allowed(["POST"]))
        try:
            _check_media_type(call, FORM, code=40415)
            lifetime = self._conditions.behaviour.kore_token_lifetime
            return Reply(status=200, body=self._tokens.mint(call.form, lifetime))
        except Denied as denied:
            return Reply(status=denied.status, body=denied.body)
        except Refusal as refusal:
            return self._refused(call, refusal)

    def _refused(
        self, call: Call, refusal: Refusal, headers: Mapping[str, str] | None = None
    ) -> Reply:
        status = refusal.http_status(self._conditions.behaviour)
        body = error_body(call.vendor, call.room, status, refusal.code, refusal.message)
        own = {**refusal.headers, **(headers or {})}
        return Reply(status=status, body=body, code=refusal.code, headers=own)


def _product_of(call: Call) -> Product | None:
    """The product a request is about; KORE has no Monitor, Twilio no webhook secrets."""
    if call.room not in _PRODUCTS or call.vendor.hosts.of(Product(call.room)) is None:
        return None
    return Product(call.room)


def _segments(call: Call) -> list[str]:
    return [unquote(segment) for segment in call.path.strip("/").split("/")]


def _check_media_type(call: Call, wanted: str, *, code: int) -> None:
    """Refuse a body that would not be read: else an update would succeed and change nothing."""
    if call.body and call.content_type != wanted:
        given = call.content_type or "none"
        raise Refusal(code, f"Unsupported media type {given}: send {wanted}")
