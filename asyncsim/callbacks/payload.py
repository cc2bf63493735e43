"""What a callback says: its parameters, from a form body, a JSON body or the query.

Sources: Twilio docs and KORE docs, Sim resource, `CallbackUrl`. Both document form bodies; JSON
is read too, because both vendors' signature documents describe it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import define

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.tickets import ReadTicket
from asyncsim.errors import ReceiverError
from asyncsim.wire import forms

_MOST_FIELDS = 100  # a Sim callback has seven

Params = Mapping[str, list[str]]


class Refusal(ReceiverError):
    """A request that is answered with an HTTP error; `status` says which."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@define(kw_only=True)
class Payload:
    """The parameters, and those of them that a Twilio signature covers beside the URL."""

    params: Params
    signed_params: Params | None
    """None for a body that is no form: its hash must be in the URL then."""


def read(method: str, query: str, headers: Mapping[str, str], body: bytes) -> Payload:
    """Read what a request says; Refusal 400 or 415 when that is not possible.

    `headers` have lower-case names. The query counts only for GET: KORE's signature of a POST
    leaves it out.
    """
    if method == "GET":
        return Payload(params=_form(query.encode("utf-8", "surrogateescape")), signed_params={})
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise Refusal(415, "the body is compressed")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ("", "application/x-www-form-urlencoded"):
        params = _form(body)
        return Payload(params=params, signed_params=params)
    if media_type == "application/json":
        return Payload(params=_json(body), signed_params=None)
    raise Refusal(415, "the body is neither a form nor JSON")


def _form(text: bytes) -> Params:
    # A form is ASCII by definition: blanks are kept, nothing is trimmed. Insisting on it also
    # closes a hole: KORE's signature is a plain digest with the secret in front, so whoever has
    # seen one can extend the body under it, but not without padding that is no ASCII.
    if not text.isascii():
        raise Refusal(400, "the form holds raw bytes that are not ASCII")
    if text.count(b"&") >= _MOST_FIELDS:
        raise Refusal(400, "the form has too many fields")
    return forms.decode(text.decode("ascii"))


def callback_of(ticket: ReadTicket, params: Params, *, signed: bool, method: str) -> Callback:
    """Build the callback a ticket and its parameters describe."""
    flat = {name: values[0] for name, values in params.items()}
    return Callback(
        vendor=ticket.vendor,
        product=ticket.product,
        name=ticket.name,
        nonce=ticket.nonce,
        signed=signed,
        method=method,
        # A callback about a Command, or an eSIM, names its SIM too. No document has the parameters
        # of an eSIM's callback; if they are others, it is a hint like one without a SID.
        sid=flat.get("CommandSid", flat.get("ESimProfileSid", flat.get("SimSid"))),
        status=flat.get("SimStatus", flat.get("Status")),
        unique_name=flat.get("SimUniqueName"),
        account_sid=flat.get("AccountSid"),
        error_code=_number(flat["ErrorCode"]) if "ErrorCode" in flat else None,
        error_message=flat.get("ErrorMessage"),
        params=flat,
    )


def _json(body: bytes) -> Params:
    try:
        values = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not the JSON it is said to be") from None
    if not isinstance(values, dict) or len(values) > _MOST_FIELDS:
        raise Refusal(400, "the JSON is not an object of a few fields")
    # Sim callbacks hold texts and one number; bool is an int, but none of these.
    return {
        name: [str(value)]
        for name, value in values.items()
        if isinstance(value, (str, int)) and not isinstance(value, bool)
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
