"""The emulator's HTTP application: authentication, faults, dispatch, and the request log.

A request is carried out at once and without an await, and committed before it is responded to. The
delay of a slow response no longer changes anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from asyncsim.clock import Clock
from asyncsim.emulator.auth import AccessDenied, AccessTokens, check_basic
from asyncsim.emulator.context import RequestContext, VendorRequest, VendorResponse
from asyncsim.emulator.errors import (
    VendorError,
    allow_header,
    error_body,
    method_not_allowed,
    not_found,
    response_headers,
)
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.persistence import StateStore
from asyncsim.emulator.request_log import EntryLog, RequestRecord
from asyncsim.emulator.routes import dispatch, methods_at
from asyncsim.emulator.settings import RuntimeSettings
from asyncsim.emulator.webhooks import secrets
from asyncsim.vendors import VENDORS, Product
from asyncsim.wire import forms, json

_FORM = "application/x-www-form-urlencoded"
"""What both vendors' documents want of a body, but for KORE's webhook secrets."""

_PRODUCTS = frozenset(product.value for product in Product)
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Twilio API"'}
_SECRET_KEYS = frozenset({"client_secret", "RegistrationCode"})


class RequestHandler:
    """Responds to the requests to both vendors' APIs."""

    def __init__(
        self,
        clock: Clock,
        state: StateStore,
        settings: RuntimeSettings,
        tokens: AccessTokens,
        log: EntryLog[RequestRecord],
    ) -> None:
        self.contexts: dict[str, RequestContext] = {}
        """Vendor to the context of its main account; filled once the port is known."""
        self._clock = clock
        self._state = state
        self._settings = settings
        self._tokens = tokens
        self._log = log
        self._started = clock.now()
        self._in_flight: Counter[str] = Counter()
        self._delayed: set[asyncio.Task[object]] = set()
        """Tasks of responses that are not due yet."""
        self._responses = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Every path under the vendors' names."""
        for vendor in VENDORS:
            yield web.route("*", f"/{vendor}/{{api}}{{rest:.*}}", self.handle)

    async def close(self, _: web.Application) -> None:
        """End what waits to respond: aiohttp forgets handlers whose clients have gone away."""
        delayed = list(self._delayed)
        for task in delayed:
            task.cancel()
        await asyncio.gather(*delayed, return_exceptions=True)

    async def handle(self, http_request: web.Request) -> web.StreamResponse:
        """Respond to one request to a vendor's API."""
        request = await self._read(http_request)
        response = self.process(request)
        is_product = request.api in _PRODUCTS
        self._log.append(
            RequestRecord(
                seconds=request.arrived - self._started,
                vendor=request.vendor.name,
                product=request.api if is_product else "",
                method=request.method,
                path=request.path if is_product else f"/{request.api}{request.path}",
                query={key: list(values) for key, values in request.query.items()},
                form={
                    key: ["***"] if key in _SECRET_KEYS else list(values)
                    for key, values in request.form.items()
                },
                status=response.status,
                code=response.code,
                sid=response.sid,
                hidden=response.hidden,
            )
        )
        self._state.commit()
        account = response.account
        if account is None:  # throttled or not authenticated: neither delayed nor counted
            return self._send(http_request, request, response)
        self._in_flight[account] += 1
        try:
            if response.delay > 0:
                await self._delay(response.delay)
            return self._send(http_request, request, response)
        finally:
            self._in_flight[account] -= 1

    async def _delay(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only tasks can await
        self._delayed.add(task)
        try:
            with self._clock.resting():
                await self._clock.sleep(seconds)
        finally:
            self._delayed.discard(task)

    async def _read(self, http_request: web.Request) -> VendorRequest:
        arrived = self._clock.now()
        # Not aiohttp's decoded path: a name may contain an encoded slash.
        path, _, query = http_request.raw_path.partition("?")
        _, vendor, api, *rest = path.split("/", 3)
        body = await http_request.read()
        has_type = "Content-Type" in http_request.headers
        content_type = http_request.content_type if has_type else ""
        form = body.decode("utf-8", "replace") if content_type == _FORM else ""
        return VendorRequest(
            vendor=VENDORS[vendor],
            api=api,
            path="/" + "/".join(rest),
            method=http_request.method,
            query=forms.decode(query),
            form=forms.decode(form),
            body=body,
            content_type=content_type,
            authorization=http_request.headers.get("Authorization"),
            arrived=arrived,
        )

    def process(self, request: VendorRequest) -> VendorResponse:
        """Authenticate, throttle and carry out a request, unless a fault hits."""
        if request.method == "OPTIONS":
            return self._options(request)
        if request.vendor.login == "client_credentials" and request.api == "auth":
            return self._mint_token(request)
        try:
            ctx = self.authenticate(request)
        except AccessDenied as denied:
            return VendorResponse(denied.status, denied.body)
        except VendorError as error:
            return self._error(request, error, _CHALLENGE)
        account = f"{request.vendor.name} {ctx.world.account_sid}"
        faults, hits = self._settings.faults, self._settings.sampler.hits
        limit = faults.concurrency
        if (limit is not None and self._in_flight[account] >= limit) or hits("rate_limited"):
            pause = faults.retry_after
            headers = {} if pause is None else {"Retry-After": f"{pause:g}"}
            return self._error(request, VendorError(20429, "Too Many Requests"), headers)
        fault = next((name for name in ("dropped", "server_errors") if hits(name)), None)
        hidden = None
        if fault is None:
            response = self.execute(request, ctx)
        else:
            hidden = self.execute(request, ctx) if hits("share_processed") else None
            if fault == "dropped":
                response = VendorResponse(None)
            elif hidden is not None:
                response = self._error(request, VendorError(20500, "Internal Server Error"))
            else:
                response = self._error(request, VendorError(20503, "Service Unavailable"))
        if hidden is not None:
            response.sid, response.hidden = hidden.sid, hidden.status
        response.account = account
        response.delay = faults.answer_takes + (faults.slow_seconds if hits("slow") else 0.0)
        return response

    def authenticate(self, request: VendorRequest) -> RequestContext:
        """The context of the account that the credentials belong to."""
        ctx = self.contexts[request.vendor.name]
        if request.vendor.login == "basic":
            accounts = [world.credentials for world in ctx.world.family()]
            account_sid = check_basic(request.authorization, accounts)
        else:
            account_sid = self._tokens.check(request.authorization)
        subaccount = ctx.world.subaccounts.get(account_sid)
        return ctx if subaccount is None else ctx.for_account(subaccount)

    def execute(self, request: VendorRequest, ctx: RequestContext) -> VendorResponse:
        """Carry out an authenticated request."""
        try:
            product = self._product_of(request)
            if product is None:
                raise not_found(request.path)
            path = _segments(request)
            if product is Product.WEBHOOKS:
                _check_media_type(request, "application/json", code=40415)
                return secrets.respond(ctx, request, path)
            _check_media_type(request, _FORM, code=20415)
            return dispatch(ctx, product, path, request)
        except VendorError as error:
            return self._error(request, error)

    def _product_of(self, request: VendorRequest) -> Product | None:
        offered = self.contexts[request.vendor.name].base_urls
        return Product(request.api) if request.api in offered else None

    def _options(self, request: VendorRequest) -> VendorResponse:
        # A browser's preflight has no credentials (Fetch standard, CORS protocol).
        product = self._product_of(request)
        if request.api == "auth" and request.path == "/token":
            methods: Sequence[str] = ("POST",)
        elif product is Product.WEBHOOKS:
            methods = secrets.methods_at(_segments(request))
        else:
            methods = () if product is None else methods_at(product, _segments(request))
        if not methods:
            return self._error(request, not_found(request.path))
        return VendorResponse(200, headers={"Allow": allow_header(methods)})

    def _mint_token(self, request: VendorRequest) -> VendorResponse:
        """KORE's token endpoint."""
        try:
            if request.path != "/token":
                raise not_found(f"/auth{request.path}")
            if request.method != "POST":
                raise method_not_allowed(["POST"])
            _check_media_type(request, _FORM, code=40415)
            lifetime = self._settings.behaviour.kore_token_lifetime
            return VendorResponse(200, self._tokens.mint(request.form, lifetime))
        except AccessDenied as denied:
            return VendorResponse(denied.status, denied.body)
        except VendorError as error:
            return self._error(request, error)

    def _error(
        self, request: VendorRequest, error: VendorError, headers: Mapping[str, str] | None = None
    ) -> VendorResponse:
        status = error.http_status(self._settings.behaviour)
        body = error_body(request.vendor, request.api, status, error.code, error.message)
        headers = {**error.headers, **(headers or {})}
        return VendorResponse(status, body, code=error.code, headers=headers)

    def _send(
        self, http_request: web.Request, request: VendorRequest, response: VendorResponse
    ) -> web.StreamResponse:
        if response.status is None:
            if http_request.transport is not None:
                http_request.transport.abort()
            return web.Response()  # never sent: the connection is gone
        self._responses += 1
        headers = response_headers(
            request.vendor,
            request.api,
            request_id="RQ" + seeded_hex(0, "request", self._responses, self._started),
            seconds=self._clock.now() - request.arrived,
            in_flight=self._in_flight[response.account or ""],
        )
        has_body = response.body is not None
        return web.Response(
            status=response.status,
            body=json.dumps(response.body) if has_body else None,
            headers={**headers, **response.headers},
            content_type="application/json" if has_body else None,
        )


def _segments(request: VendorRequest) -> list[str]:
    return [unquote(segment) for segment in request.path.strip("/").split("/")]


def _check_media_type(request: VendorRequest, wanted: str, *, code: int) -> None:
    """Reject a body that would not be read: else an update would succeed and change nothing."""
    if request.body and request.content_type != wanted:
        given = request.content_type or "none"
        raise VendorError(code, f"Unsupported media type {given}: send {wanted}")


def host_check(allowed_hosts: Iterable[str]) -> Callable[[web.RouteDef], web.RouteDef]:
    """Return what lets a route reject foreign host names.

    Without it a page in a browser could point a name of its own at this machine (DNS rebinding).
    No middleware of aiohttp: it keeps the last 1,024 handlers that it wrapped, and with them
    stopped emulators and all their SIMs.
    """
    allowed = {name.lower() for name in allowed_hosts}

    def checked(route: web.RouteDef) -> web.RouteDef:
        handler: Any = route.handler  # none of ours is a class

        async def check(request: web.Request) -> web.StreamResponse:
            if request.host.startswith("["):
                name = request.host[1:].partition("]")[0].lower()
            else:
                name = request.host.partition(":")[0].lower()
            try:
                ipaddress.ip_address(name)
                is_local = True
            except ValueError:
                is_local = name == "localhost" or name.endswith(".localhost")
            # For an address, or `localhost` (RFC 6761), no name server was asked.
            if not is_local and not {name, "*"} & allowed:
                message = (
                    f"Host {name!r} is not allowed here; add it to allowed_hosts (--allow-host)"
                )
                return web.json_response({"message": message}, status=403)
            response: web.StreamResponse = await handler(request)
            return response

        return web.RouteDef(route.method, route.path, check, route.kwargs)

    return checked
