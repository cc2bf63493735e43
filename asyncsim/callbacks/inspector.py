"""Inspection of callbacks under any path: whether they are signed, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from attrs import define, field, frozen
from multidict import CIMultiDict

from asyncsim.callbacks.tickets import find_ticket
from asyncsim.callbacks.verify import CallbackRequest, Params, RequestRejected, read_params
from asyncsim.core.signatures import twilio_key, verify_kore, verify_twilio
from asyncsim.vendors import VENDORS, Vendor

Verdict = Literal["verified", "unverified", "rejected"]

_MAX_TARGET = 16_384  # characters, as for the receiver


@frozen(kw_only=True)
class Inspected:
    """One request: what it says, and whether its signature proves it."""

    method: str
    raw_target: str = field(repr=False)
    """Path and query as they came; may hold a ticket."""
    headers: CIMultiDict[str] = field(repr=False)
    body: bytes = field(repr=False)
    vendor: str | None
    """Whose signature it has, or whose ticket."""
    verdict: Verdict
    reason: str
    """Why it is not verified; empty if it is."""
    status: int
    """The status that it was responded to with."""
    params: Mapping[str, str]

    @property
    def path(self) -> str:
        """The path without query, and without the part of a ticket that is secret."""
        path = self.raw_target.partition("?")[0]
        segments = find_ticket(path)
        if segments is None:
            return path
        vendor, product, name, *_ = segments
        return f"{path.rstrip('/').rsplit('/', 5)[0]}/{vendor}/{product}/{name}/..."


@define(eq=False, kw_only=True)
class CallbackInspector:
    """Gives each request to `take`; a server gives it all requests of a port."""

    public_url: str
    """Where vendors call it, prefix included: signatures cover that."""
    secrets: Mapping[str, Sequence[str]] = field(repr=False)
    """Signing secrets, by vendor."""
    take: Callable[[Inspected], bool]
    """Returns False if there is no room: the request is rejected with 503."""
    max_body: int = 65_536
    malformed: int = field(default=0, init=False)

    def check_head(self, method: str, raw_target: str, length: int | None) -> int | None:
        """Reject what is too long before its body is read."""
        return 413 if length is not None and length > self.max_body else None

    def reject_malformed(self) -> None:
        """Count a request that could not be parsed as HTTP."""
        self.malformed += 1

    def receive(self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes) -> int:
        """Inspect a request; 204, or 403 for one whose signature is wrong or missing."""
        if len(raw_target) > _MAX_TARGET:
            return 414
        if len(body) > self.max_body:
            return 413
        lowered = {name.lower(): value for name, value in headers.items()}
        request = CallbackRequest(method=method, raw_target=raw_target, headers=lowered, body=body)
        vendor, params = _vendor_of(request), {}
        try:
            if method not in ("GET", "POST"):
                raise RequestRejected(405, "the method is neither GET nor POST")
            found, signed = read_params(request, raw_target.partition("?")[2])
            params = {name: values[0] for name, values in found.items()}
            verdict, reason = self._judge(request, vendor, signed)
            status = 403 if verdict == "rejected" else 204
        except RequestRejected as error:
            verdict, reason, status = "rejected", str(error), error.status
        inspected = Inspected(
            method=method,
            raw_target=raw_target,
            headers=CIMultiDict(headers.items()),
            body=body,
            vendor=vendor.name if vendor else None,
            verdict=verdict,
            reason=reason,
            status=status,
            params=params,
        )
        return status if self.take(inspected) else 503

    def _judge(
        self, request: CallbackRequest, vendor: Vendor | None, signed: Params | None
    ) -> tuple[Verdict, str]:
        """Tell whether the vendor's signature proves it, and why not."""
        known = [name for name, secrets in self.secrets.items() if secrets]
        if vendor is None:
            reason = "it has no signature of Twilio or KORE"
            return ("rejected" if known else "unverified"), reason
        secrets = self.secrets.get(vendor.name, ())
        if not secrets:
            return "unverified", f"no signing secret of {vendor.title} is known"
        signature = request.headers.get(vendor.signature_header, "")
        if not signature:
            return "rejected", "the signature is missing"
        if not any(
            _is_signed(vendor, secrets, url, request, signed, signature)
            for url in self._urls(request)
        ):
            return "rejected", "the signature is wrong: check the secret and --public-url"
        if vendor.name == "kore" and request.method == "GET":
            return "unverified", "KORE's signature of a GET leaves out its parameters"
        return "verified", ""

    def _urls(self, request: CallbackRequest) -> list[str]:
        """Return the URLs that may have been signed: a proxy strips the prefix, or leaves it."""
        scheme, separator, rest = self.public_url.partition("://")
        origin = scheme + separator + rest.partition("/")[0]
        return list(
            dict.fromkeys(f"{one}{request.raw_target}" for one in (self.public_url, origin))
        )


def _vendor_of(request: CallbackRequest) -> Vendor | None:
    for vendor in VENDORS.values():
        if vendor.signature_header in request.headers:
            return vendor
    ticket = find_ticket(request.raw_target.partition("?")[0])
    return VENDORS[ticket[0]] if ticket else None


def _is_signed(
    vendor: Vendor,
    secrets: Sequence[str],
    url: str,
    request: CallbackRequest,
    signed: Params | None,
    signature: str,
) -> bool:
    if vendor.name == "kore":
        return verify_kore(secrets, request.method, url, request.body, signature)
    keys = [twilio_key(secret) for secret in secrets]
    return verify_twilio(keys, url, signed, signature, body=request.body)
