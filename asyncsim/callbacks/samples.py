"""Sample callbacks, signed as the vendors sign theirs, to test a receiver and the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from attrs import field, frozen

from asyncsim.core.signatures import kore_signature, twilio_signature
from asyncsim.vendors import Vendor


@frozen(kw_only=True)
class SampleCallback:
    """A request to send by POST to the URL that it was signed for."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes


def signed_sample(vendor: Vendor, secret: str | None, url: str, sid: str) -> SampleCallback:
    """Build the callback of a SIM `sid`; without a secret it is not signed."""
    params = {"SimSid": sid, "SimStatus": "active"}
    body = urlencode(params).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if secret and vendor.name == "twilio":
        values = {name: [value] for name, value in params.items()}
        headers[vendor.signature_header] = twilio_signature(secret, url, values)
    elif secret:
        headers[vendor.signature_header] = kore_signature(secret, "POST", url, body)
    return SampleCallback(headers=headers, body=body)
