"""Whether a request is a callback at all, and how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from asyncsim.callbacks import payload, tickets
from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.keyring import Delivery, Keyring
from asyncsim.callbacks.payload import Refusal
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

    The signature must cover `public_url` and the raw end of the path: what stood between them
    when it was sent is known only from `public_url`, as proxies strip prefixes and mounts add
    them.
    """
    path, mark, query = request.raw_target.partition("#")[0].partition("?")
    tail = _admit(request, path, max_body)
    ticket = keyring.read(tail)
    read = payload.read(request.method, query, request.headers, request.body)
    vendor = VENDORS[ticket.vendor]
    signed = keyring.verify(
        Delivery(
            vendor=vendor,
            method=request.method,
            url=f"{public_url}/{'/'.join(tail)}{mark}{query}",
            body=request.body,
            params=read.signed_params,
            signature=request.headers.get(vendor.signature_header, ""),
        )
    )
    return payload.callback_of(ticket, read.params, signed=signed, method=request.method)


def _admit(request: Request, path: str, max_body: int) -> tuple[str, ...]:
    """Return the ticket's segments of a request that has the outward form of a callback."""
    if len(request.raw_target) > _LONGEST_TARGET:
        raise Refusal(414, "the path and query are too long")
    tail = tickets.tail_of(path)
    if tail is None:
        raise Refusal(404, "the path is no ticket")
    if request.method not in ("GET", "POST"):
        raise Refusal(405, "the method is neither GET nor POST")
    if len(request.body) > max_body:
        raise Refusal(413, f"the body is longer than {max_body} bytes")
    return tail
