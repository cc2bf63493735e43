"""Whether a request is a callback at all, and how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from asyncsim.callbacks import payload, tickets
from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.payload import Refusal
from asyncsim.callbacks.secrets import Delivery, Keyring
from asyncsim.vendors import VENDORS

_LONGEST_TARGET = 16_384  # characters; twice what aiohttp lets through, for other servers


@define(kw_only=True)
class Request:
    """A request as any web framework can tell it; `headers` have lower-case names."""

    method: str
    raw_target: str
    headers: Mapping[str, str]
    body: bytes


def judge(request: Request, keyring: Keyring, public_url: str, max_body: int) -> Callback:
    """Make a callback of a request; Refusal or SignatureError when it is none.

    The signature must cover `public_url` and the ticket: what stood between them when it was sent
    is known only from `public_url`, as proxies strip prefixes and mounts add them.
    """
    path, mark, query = request.raw_target.partition("#")[0].partition("?")
    tail = _admit(request.method, request.raw_target, path)
    if len(request.body) > max_body:
        raise Refusal(413, f"the body is longer than {max_body} bytes")
    ticket = keyring.read(tail)
    read = payload.read(request.method, query, request.headers, request.body)
    vendor = VENDORS[ticket.vendor]
    signed = keyring.verify(
        Delivery(
            vendor=vendor,
            account=ticket.account,
            method=request.method,
            urls=_urls(public_url, tail, path, mark + query, request.method),
            body=request.body,
            params=read.signed_params,
            signature=request.headers.get(vendor.signature_header, ""),
        )
    )
    return payload.callback_of(ticket, read.params, signed=signed, method=request.method)


def admit(method: str, raw_target: str, keyring: Keyring) -> None:
    """Judge a request by its first line, before its body is read; Refusal or SignatureError."""
    path = raw_target.partition("#")[0].partition("?")[0]
    keyring.read(_admit(method, raw_target, path))


def _admit(method: str, raw_target: str, path: str) -> tuple[str, ...]:
    """Return the ticket's segments of a request that has the outward form of a callback."""
    if len(raw_target) > _LONGEST_TARGET:
        raise Refusal(414, "the path and query are too long")
    tail = tickets.tail_of(path)
    if tail is None:
        raise Refusal(404, "the path is no ticket")
    if method not in ("GET", "POST"):
        raise Refusal(405, "the method is neither GET nor POST")
    return tail


def _urls(
    public_url: str, tail: tuple[str, ...], path: str, query: str, method: str
) -> tuple[str, ...]:
    """Make the URLs that the vendor may have signed: as it came in, and as it was issued.

    A proxy may spell the path in another way, or add a query to a POST; nothing of it is read.
    """
    issued = f"{public_url}/{'/'.join(tail)}"
    if not query and "%" not in path and path[-1] != "/":
        return (issued,)
    received = f"{public_url}/{'/'.join(path.rstrip('/').split('/')[-len(tail) :])}"
    urls = (issued + query, received + query, *((issued, received) if method == "POST" else ()))
    return tuple(dict.fromkeys(urls))
