"""What keeps an account from working from this machine: checks, each with what to do.

Every check sends cheap reads only. The engine of `asyncsim doctor`.
"""

from __future__ import annotations

import platform
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp
from attrs import frozen
from yarl import URL

from asyncsim.callbacks.receiver import CallbackReceiver
from asyncsim.callbacks.samples import SampleCallback, signed_sample
from asyncsim.callbacks.tickets import derive_ticket_secret
from asyncsim.client import Client
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    NotFound,
    PermissionDenied,
    ReceiverError,
)
from asyncsim.events import CallbackReceived, CallbackRefused, Event
from asyncsim.http.proxies import is_loopback
from asyncsim.vendors import VENDORS, Vendor
from asyncsim.version import __version__

Status = Literal["ok", "warning", "failed"]
Kind = Literal["setup", "network", "clock", "credentials"]

MAX_SKEW = 60.0
"""Seconds by which the clock may be wrong: certificates and tokens have margins of minutes."""

_TIMEOUT = 10.0  # seconds of a single check; a person waits
_SAMPLE = "HS" + "d0c" * 10 + "d0"  # the SID of no SIM
_SAMPLE_SECRET = "a sample secret"  # noqa: S105  # signs what only this process reads


@frozen(kw_only=True)
class Check:
    """One check: what was found and, unless it is ok, what to do."""

    name: str
    status: Status
    found: str
    advice: str = ""
    kind: Kind = "setup"


async def examine(client: Client) -> AsyncIterator[Check]:
    """Check versions, the way to the API, the clock, credentials, and signatures."""
    context = client.context
    yield Check(name="versions", status="ok", found=_versions())
    reached = True
    for host in dict.fromkeys(URL(url).origin() for url in context.hosts.all() if url):
        async for check in _reach(client, host):
            reached = reached and check.kind != "network"
            yield check
    if reached:
        for product in ("supersim", "wireless"):
            yield await _credentials(client, product)
    else:
        yield Check(
            name="credentials",
            status="failed",
            found="not checked, because the API cannot be reached",
            advice="solve that first",
            kind="network",
        )
    for vendor in VENDORS.values():
        yield _signatures(client, vendor)


def _versions() -> str:
    return (
        f"asyncsim {__version__}, Python {platform.python_version()}, aiohttp"
        f" {aiohttp.__version__}, {ssl.OPENSSL_VERSION}, {platform.system()} {platform.release()}"
    )


async def _reach(client: Client, host: URL) -> AsyncIterator[Check]:
    """Send a request without a login: any response proves that the server can be reached."""
    name = f"reach {host.host}"
    proxy = client.context.proxies.proxy_for(host)
    way = f"through the proxy {proxy.url.host}:{proxy.url.port}" if proxy else "without a proxy"
    began, sent = time.time(), time.monotonic()
    try:
        async with (
            _session(client) as session,
            session.get(
                host,
                proxy=proxy.url if proxy else None,
                # As the transport does: those of HTTPS go with CONNECT, others with the request.
                proxy_headers=proxy.headers if proxy else None,
                headers=proxy.headers if proxy and host.scheme == "http" else None,
                allow_redirects=False,
            ) as response,
        ):
            date = response.headers.get("Date", "")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        found, advice = _explain(error, proxied=proxy is not None)
        yield Check(
            name=name, status="failed", found=f"{found} ({way})", advice=advice, kind="network"
        )
        return
    took = time.monotonic() - sent
    yield Check(name=name, status="ok", found=f"responds in {took * 1000:.0f} ms, {way}")
    yield _clock(host, date, began + took / 2)


def _session(client: Client) -> aiohttp.ClientSession:
    # Of its own: the client's sends the credentials with each request.
    connector = aiohttp.TCPConnector(ssl=client.context.tls or True)
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=_TIMEOUT), trust_env=False
    )


def _explain(error: BaseException, *, proxied: bool) -> tuple[str, str]:
    """Say what failed on the way to a server, and what to do; quotes no headers."""
    if isinstance(error, TimeoutError):
        return f"no response within {_TIMEOUT:g} s", "check the network and the firewall"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        what = f"the proxy refused to connect ({error.status})"
        return what, "check the proxy's address and credentials: --proxy, HTTPS_PROXY"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy cannot be reached", "check its address: --proxy, HTTPS_PROXY, HTTP_PROXY"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return (
            "its certificate is not trusted",
            "if a gateway has a certificate of its own authority, name that by --ca-bundle or"
            " SSL_CERT_FILE",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved", "check the spelling and DNS, or use a proxy (--proxy)"
    what = "the connection was refused or lost"
    return what, "check the proxy" if proxied else "check the firewall, or use a proxy (--proxy)"


def _clock(host: URL, date: str, local: float) -> Check:
    name = "clock"
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return Check(name=name, status="warning", found=f"{host.host} sends no Date header")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    skew = local - moment.timestamp()
    if abs(skew) <= MAX_SKEW:
        return Check(name=name, status="ok", found=f"within {MAX_SKEW:g} s of {host.host}'s")
    direction = "ahead of" if skew > 0 else "behind"
    return Check(
        name=name,
        status="failed",
        found=f"{abs(skew):,.0f} s {direction} {host.host}'s",
        advice="synchronise this machine's clock, for instance by NTP (timedatectl set-ntp true)",
        kind="clock",
    )


async def _credentials(client: Client, product: str) -> Check:
    """List one SIM."""
    name = f"credentials {product}"
    sims = client.supersim.sims if product == "supersim" else client.wireless.sims
    try:
        await sims.list(page_size=1)
    except AsyncSimError as error:
        return _rejection(name, error)
    return Check(name=name, status="ok", found="accepted")


def _rejection(name: str, error: AsyncSimError) -> Check:
    kind: Kind = "network"
    advice = "try again; if it lasts, ask the vendor's status page"
    if isinstance(error, AuthenticationError):
        kind = "credentials"
        advice = "check the account and its secret: asyncsim auth status, asyncsim auth login"
    elif isinstance(error, PermissionDenied | NotFound):
        kind = "credentials"
        advice = "ask the owner of the account for access to this product, or do without it"
    elif isinstance(error, APIError) and error.status < 500:
        advice = "see the message, or the vendor's documents"
    return Check(name=name, status="failed", found=_response(error), advice=advice, kind=kind)


def _response(error: AsyncSimError) -> str:
    """Say what the vendor responded, without the error's own advice."""
    if not isinstance(error, APIError):
        return str(error)
    code = f", code {error.code}" if error.code is not None else ""
    request = f"; request {error.request_id}" if error.request_id else ""
    return f"{error.message or 'no message'} (HTTP {error.status}{code}{request})"


def _signatures(client: Client, vendor: Vendor) -> Check:
    """Sign a callback as the vendor does, and have a receiver verify it."""
    name, own = f"signatures {vendor.name}", vendor is client.vendor
    secrets = client.context.signing_secrets if own else ()
    secret = next(iter(secrets), _SAMPLE_SECRET)
    arrivals = Arrivals()
    receiver = CallbackReceiver("https://example.invalid/hooks", port=None, observers=[arrivals])
    registration = receiver.register(
        vendor,
        account=client.context.account,
        signing_secrets=[secret],
        ticket_secrets=[derive_ticket_secret(_SAMPLE_SECRET)],
    )
    url, _ = registration.issue_url("supersim", _SAMPLE)
    sample = signed_sample(vendor, secret, url, _SAMPLE)
    path = URL(url).raw_path
    status = receiver.receive("POST", path, sample.headers, sample.body)
    registration.close()
    if status != 204 or not arrivals.signed:
        advice = "reinstall asyncsim, or report it"
        return Check(name=name, status="failed", found="a sample is not accepted", advice=advice)
    if own and not secrets:
        return Check(
            name=name,
            status="warning",
            found="verified with a sample secret; this account's is not known",
            advice="without it each callback costs a read: "
            + (
                "give the auth token as well as the API key"
                if vendor.name == "twilio"
                else "give ASYNCSIM_KORE_WEBHOOK_SECRET, or webhook_secrets in the profile"
            ),
        )
    with_what = "this account's secret" if own else "a sample secret"
    return Check(name=name, status="ok", found=f"a sample signed with {with_what} is accepted")


async def examine_callbacks(client: Client, public_url: str | None, host: str, port: int) -> Check:
    """Start a receiver, send it a signed callback through the public URL, and see it arrive."""
    name, arrivals = "public URL", Arrivals()
    receiver = CallbackReceiver(public_url, host=host, port=port, observers=[arrivals])
    try:
        await receiver.start()
    except ReceiverError as error:
        return Check(name=name, status="failed", found=str(error))
    try:
        registration = receiver.register(
            client.vendor,
            account=client.context.account,
            signing_secrets=client.context.signing_secrets,
            ticket_secrets=client.context.ticket_secrets,
        )
        url, _ = registration.issue_url("supersim", _SAMPLE)
        secret = next(iter(client.context.signing_secrets), None)
        status = await _deliver(client, url, signed_sample(client.vendor, secret, url, _SAMPLE))
        found, advice = _judge(status, arrivals, receiver.counts.not_found, signed=bool(secret))
    finally:
        await receiver.stop()
    if advice:
        kind: Kind = "network" if isinstance(status, str) else "setup"
        return Check(name=name, status="failed", found=found, advice=advice, kind=kind)
    if is_loopback(URL(receiver_url(public_url, host)).host or "") and not _is_emulator(client):
        return Check(
            name=name,
            status="failed",
            found="only this machine can reach it, the vendor cannot",
            advice="give the URL of a proxy or a tunnel that leads to this port: --public-url",
        )
    return Check(name=name, status="ok", found=found)


def receiver_url(public_url: str | None, host: str) -> str:
    """Return the URL that the vendor is told."""
    return public_url or f"http://{f'[{host}]' if ':' in host else host}"


def _is_emulator(client: Client) -> bool:
    return is_loopback(URL(client.context.hosts.supersim or "").host or "")


async def _deliver(client: Client, url: str, sample: SampleCallback) -> int | str:
    """Post a callback as a vendor does; the status of the response, or why there is none."""
    target = URL(url, encoded=True)
    proxy = client.context.proxies.proxy_for(target)
    headers = dict(sample.headers)
    if proxy is not None and target.scheme == "http":
        headers.update(proxy.headers)
    try:
        async with (
            _session(client) as session,
            session.post(
                target,
                data=sample.body,
                headers=headers,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
                allow_redirects=False,
            ) as response,
        ):
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _explain(error, proxied=proxy is not None)[0]


def _judge(
    status: int | str, arrivals: Arrivals, not_found: int, *, signed: bool
) -> tuple[str, str]:
    """Say what became of the callback and, unless it arrived, what to do."""
    if isinstance(status, str):
        return f"it cannot be reached: {status}", (
            "check that the name resolves, that the proxy or tunnel runs, and its certificate"
        )
    if arrivals.signed and status == 204:
        return "a signed callback arrived and was verified", ""
    if arrivals.accepted and status == 204 and not signed:
        return "a callback arrived; it cannot be verified, as this account's secret is unknown", ""
    if arrivals.refused:
        return f"a callback arrived changed: {arrivals.refused[0]}", (
            "let the proxy pass on path, body and all headers unchanged; --public-url must be the"
            " URL as the vendor calls it, prefix included"
        )
    if not_found:
        return "a callback arrived under another path", (
            "the proxy may strip a prefix, which belongs to --public-url, but must pass on the"
            " rest of the path unchanged"
        )
    if 300 <= status < 400:
        return f"it redirects (HTTP {status})", "give the URL that it redirects to"
    if status in (502, 503, 504):
        return f"the proxy does not reach this port (HTTP {status})", (
            "let it forward to the address of --listen"
        )
    return f"something else responds there (HTTP {status})", (
        "let the proxy or tunnel forward to the address of --listen"
    )


class Arrivals:
    """An observer that notes what a receiver was sent."""

    def __init__(self) -> None:
        self.accepted = 0
        self.signed = 0
        self.refused: list[str] = []

    def __call__(self, event: Event, /) -> None:
        """Note a callback."""
        if isinstance(event, CallbackReceived):
            self.accepted += 1
            self.signed += event.signed
        elif isinstance(event, CallbackRefused) and len(self.refused) < _KEPT:
            self.refused.append(event.reason)


_KEPT = 10
