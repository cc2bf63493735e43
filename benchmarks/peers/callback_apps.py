"""Applications that receive callbacks, each with a generator of requests for it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from aiohttp import web
from attrs import frozen
from twilio.request_validator import RequestValidator

from asyncsim.callbacks import CallbackReceiver
from asyncsim.callbacks.connections import ConnectionLimiter
from asyncsim.callbacks.handler import CallbackHandler
from asyncsim.callbacks.receiver import Registration
from asyncsim.callbacks.verify import CallbackRequest, verify_request
from asyncsim.callbacks.web import CallbackServer
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.credentials import CredentialsBreaker
from asyncsim.core.goal import Goal
from asyncsim.core.settings import Watching
from asyncsim.core.transition import Transition
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.vendors import TWILIO
from asyncsim.waiting import Watcher

_PUBLIC = "https://example.com/hooks"
_TOKEN = "0" * 32
_PATH = "/hooks/sims"


@frozen
class Contender:
    """An application, its n-th callback request, and the number it has accepted."""

    app: web.Application | web.Server
    """A mounted application, or one with its own port."""
    request: Callable[[int], bytes]
    taken: Callable[[], int]


def _params(number: int) -> dict[str, str]:
    return {
        "AccountSid": "AC" + "1" * 32,
        "SimSid": f"HS{number:032x}",
        "SimUniqueName": f"meter-{number}",
        "SimStatus": "active",
        "FleetSid": "HF" + "1" * 32,
    }


def signature(url: str, params: Mapping[str, str]) -> str:
    """Sign as Twilio does (docs, "Secure webhooks")."""
    text = url + "".join(name + params[name] for name in sorted(params))
    return b64encode(hmac.digest(_TOKEN.encode(), text.encode(), hashlib.sha1)).decode()


def post(path: str, url: str, number: int) -> bytes:
    """Build the n-th signed request."""
    params = _params(number)
    body = urlencode(params).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: TwilioProxy/1.1\r\n"
        f"Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\nX-Twilio-Signature: {signature(url, params)}\r\n"
        f"I-Twilio-Idempotency-Token: {number:032x}\r\nAccept: */*\r\n\r\n"
    )
    return head.encode() + body


def _plain(check: Callable[[str, Mapping[str, str], str], bool]) -> Contender:
    taken: list[str] = []
    url = "https://example.com" + _PATH

    async def handle(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not check(url, form, request.headers["X-Twilio-Signature"]):
            return web.Response(status=403)
        taken.append(form["SimStatus"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post(_PATH, handle)
    return Contender(app, lambda number: post(_PATH, url, number), lambda: len(taken))


def bare() -> Contender:
    """Parse the form without verification."""
    return _plain(lambda url, form, given: True)


def signed() -> Contender:
    """Check only the signature."""
    return _plain(lambda url, form, given: hmac.compare_digest(signature(url, form), given))


def validated() -> Contender:
    """Check the signature with twilio-python's validator."""
    validator = RequestValidator(_TOKEN)
    return _plain(lambda url, form, given: bool(validator.validate(url, dict(form), given)))


async def _nothing(*_: object) -> None:
    raise AssertionError("callbacks suffice in this benchmark")


def watcher(watching: Watching = Watching()) -> Watcher:  # noqa: B008  # frozen
    """Make a watcher that has nothing to read."""
    return Watcher(
        SIMS,
        vendor="twilio",
        fetch=_nothing,
        rows=_nothing,  # type: ignore[arg-type]  # never called
        clock=SYSTEM_CLOCK,
        watching=watching,
        observers=(),
        grace=30.0,
        breaker=CredentialsBreaker(watching, SYSTEM_CLOCK.now),
    )


def _receiver() -> tuple[CallbackReceiver, Registration]:
    receiver = CallbackReceiver(public_url=_PUBLIC)
    return receiver, receiver.register(
        TWILIO, account="AC1", signing_secrets=[_TOKEN], ticket_secrets=[b"ticket secret"]
    )


class _Unverified(CallbackHandler):
    """Accepts everything and publishes nothing."""

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        self.stats.accepted += 1
        return 204


class _Verifying(CallbackHandler):
    """Publishes nothing."""

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        request = CallbackRequest(method=method, raw_target=raw_target, headers=headers, body=body)
        verify_request(request, self.secrets, _PUBLIC, self.max_body)
        self.stats.accepted += 1
        return 204


def _like(kind: type[CallbackHandler], other: CallbackHandler) -> CallbackHandler:
    given = ("secrets", "bus", "commands", "public_url", "max_body", "observers", "clock")
    return kind(**{name: getattr(other, name) for name in given})


def _serving(handler: CallbackHandler) -> web.Server:
    """A server as `CallbackReceiver.start` opens it."""
    return CallbackServer(handler, ConnectionLimiter(512))


def server_alone() -> Contender:
    """The receiver's server alone: reads the body, verifies nothing, responds."""
    handler = _like(_Unverified, _receiver()[0]._handler)  # noqa: SLF001  # without its server
    url = "https://example.com" + _PATH
    return Contender(
        _serving(handler),
        lambda number: post(_PATH, url, number),
        lambda: handler.stats.accepted,
    )


def verified() -> Contender:
    """The receiver's verification of ticket, form and signature, without a wait."""
    receiver, registration = _receiver()
    handler = _like(_Verifying, receiver._handler)  # noqa: SLF001  # without its server

    def request(number: int) -> bytes:
        url, _ = registration.issue_url("supersim", f"HS{number:032x}")
        return post(url.removeprefix(_PUBLIC), url, number)

    return Contender(_serving(handler), request, lambda: handler.stats.accepted)


def ours(pending: int, *, mounted: bool = False) -> Contender:
    """The whole receiver: ticket, signature, duplicates, and `pending` waits, ended one by one."""
    receiver, registration = _receiver()
    watching, goal, ended = watcher(), Goal(SIMS, {"status": "active"}), list[Transition]()
    registration.subscribe("supersim", watching.handle_callback)
    urls: list[str] = []
    for number in range(pending):
        sid = f"HS{number:032x}"
        url, nonce = registration.issue_url("supersim", sid)
        urls.append(url)
        wait = Transition(
            name=sid,
            goal=goal,
            started=SYSTEM_CLOCK.now(),
            timeout=900.0,
            on_done=ended.append,
            accepts_signed=True,
            sid=sid,
            nonce=nonce,
        )
        watching.register(wait)
        watching.accepted(wait, Sim(sid=sid, status="scheduled"))

    def request(number: int) -> bytes:
        return post(urls[number].removeprefix(_PUBLIC), urls[number], number)

    app = receiver.app() if mounted else _serving(receiver._handler)  # noqa: SLF001  # without its server
    return Contender(app, request, lambda: len(ended))
