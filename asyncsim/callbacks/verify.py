"""Verification: from an HTTP request to a callback, by its ticket, parameters and signature.

Sources: Twilio docs and KORE docs, Sim resource, `CallbackUrl`. Both document form bodies; JSON
is read too, because both vendors' signature documents describe it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from attrs import define

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.secrets import SecretStore, SigningSecrets
from asyncsim.callbacks.tickets import VerifiedTicket, find_ticket, verify_ticket
from asyncsim.core.signatures import verify_kore, verify_twilio
from asyncsim.errors import ReceiverError, SignatureError
from asyncsim.vendors import VENDORS
from asyncsim.wire import forms

_MAX_TARGET = 16_384  # characters; twice aiohttp's limit, for other servers
_MAX_FIELDS = 100  # a Sim callback has seven

Params = Mapping[str, list[str]]


class RequestRejected(ReceiverError):
    """A request to reject with the HTTP status `status`."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@define(kw_only=True)
class CallbackRequest:
    """An HTTP request, independent of the server; `headers` are found by lower-case names."""

    method: str
    raw_target: str
    """Path and query as they were sent: signatures cover that text."""
    headers: Mapping[str, str]
    body: bytes


def verify_head(method: str, raw_target: str, secrets: SecretStore) -> None:
    """Verify the ticket of a request whose body has yet to come.

    RequestRejected or SignatureError if the body is not worth waiting for.
    """
    path = path_of(raw_target)
    verify_ticket(_ticket_segments(method, raw_target, path), secrets.ticket_keys)


def path_of(raw_target: str) -> str:
    """Return the path of a request, as it was sent."""
    return raw_target.partition("#")[0].partition("?")[0]


def verify_request(
    request: CallbackRequest, secrets: SecretStore, public_url: str, max_body: int
) -> Callback:
    """Verify a request and return its callback; RequestRejected or SignatureError if it fails.

    The signature must cover `public_url` and the ticket. The path between them, as it was sent,
    is known only from `public_url`, because proxies strip prefixes and mounts add them.
    """
    path, mark, query = request.raw_target.partition("#")[0].partition("?")
    segments = _ticket_segments(request.method, request.raw_target, path)
    if len(request.body) > max_body:
        raise RequestRejected(413, f"the body is longer than {max_body} bytes")
    ticket = verify_ticket(segments, secrets.ticket_keys)
    params, signed_params = read_params(request, query)

    # The URL as it was issued. A proxy may spell the path in another way, or add a query to a POST;
    # the vendor may have signed that, but none of it is read.
    urls = [f"{public_url}/{'/'.join(segments)}"]
    if mark or "%" in path or path[-1] == "/":
        received = f"{public_url}/{'/'.join(path.rstrip('/').split('/')[-len(segments) :])}"
        spellings = [urls[0] + mark + query, received + mark + query]
        if request.method == "POST":
            spellings += [urls[0], received]
        urls = list(dict.fromkeys(spellings))

    signed = _is_proven(request, ticket, urls, signed_params, secrets)
    return Callback.of(
        vendor=ticket.vendor,
        product=ticket.product,
        name=ticket.name,
        nonce=ticket.nonce,
        signed=signed,
        method=request.method,
        params={name: values[0] for name, values in params.items()},
    )


def _ticket_segments(method: str, raw_target: str, path: str) -> tuple[str, ...]:
    if len(raw_target) > _MAX_TARGET:
        raise RequestRejected(414, "the path and query are too long")
    segments = find_ticket(path)
    if segments is None:
        raise RequestRejected(404, "the path is not a ticket")
    if method not in ("GET", "POST"):
        raise RequestRejected(405, "the method is neither GET nor POST")
    return segments


def read_params(request: CallbackRequest, query: str) -> tuple[Params, Params | None]:
    """Read the parameters, and those that Twilio signs in addition to the URL.

    None for a body that is not a form: its hash must then be in the URL. The query counts only for
    GET, because KORE's signature of a POST leaves it out.
    """
    if request.method == "GET":
        return _read_form(query.encode("utf-8", "surrogateescape")), {}
    headers = request.headers
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise RequestRejected(415, "the body is compressed")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ("", "application/x-www-form-urlencoded"):
        params = _read_form(request.body)
        return params, params
    if media_type != "application/json":
        raise RequestRejected(415, "the body is neither a form nor JSON")
    try:
        values = json.loads(request.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise RequestRejected(400, "the body is not valid JSON") from None
    if not isinstance(values, dict) or len(values) > _MAX_FIELDS:
        raise RequestRejected(400, "the JSON is not an object of a few fields")
    # Sim callbacks hold texts and one number; bool is an int, but none of these.
    texts = {
        name: [str(value)]
        for name, value in values.items()
        if isinstance(value, (str, int)) and not isinstance(value, bool)
    }
    return texts, None


def _read_form(text: bytes) -> Params:
    # A form is ASCII by definition: blanks are kept, nothing is trimmed. Insisting on it also
    # closes a hole: KORE's signature is a plain digest with the secret in front, so an attacker
    # with one signature can extend the body under it, but only with padding that is not ASCII.
    if not text.isascii():
        raise RequestRejected(400, "the form holds raw bytes that are not ASCII")
    if text.count(b"&") >= _MAX_FIELDS:
        raise RequestRejected(400, "the form has too many fields")
    return forms.decode(text.decode("ascii"))


def _is_proven(
    request: CallbackRequest,
    ticket: VerifiedTicket,
    urls: Sequence[str],
    signed_params: Params | None,
    secrets: SecretStore,
) -> bool:
    """Tell whether the vendor's signature proves the callback; SignatureError if it is wrong.

    Only secrets that a client registered prove anything, and only for tickets of its own account:
    the owner of another account, for instance, can sign anything with that account's secret.
    Secrets given to the receiver belong to no account in particular, so they tell true from false,
    but what they sign stays unconfirmed. False means unconfirmed, or no secret to verify with.
    """
    vendor = VENDORS[ticket.vendor]
    signature = request.headers.get(vendor.signature_header, "")

    def is_signed_with(candidates: SigningSecrets) -> bool:
        if not candidates.secrets:
            return False
        for url in urls:
            if vendor.name == "twilio":
                keys = candidates.twilio_keys
                valid = verify_twilio(keys, url, signed_params, signature, body=request.body)
            else:
                method, body = request.method, request.body
                valid = verify_kore(candidates.secrets, method, url, body, signature)
            if valid:
                return True
        return False

    # KORE's signature leaves out the query, which holds all parameters of a GET.
    proves_nothing = vendor.name == "kore" and request.method == "GET"
    of_account = secrets.of_account(vendor.name, ticket.account)
    if is_signed_with(of_account):
        return not proves_nothing
    of_receiver = secrets.of_receiver(vendor.name)
    if not of_account.secrets and not of_receiver.secrets:
        # Its client knows only an API key, for instance, which signs no callback (Twilio docs,
        # "Secure webhooks"): unconfirmed, but not forged.
        return False
    if is_signed_with(of_receiver) or (proves_nothing and not signature):
        return False
    raise SignatureError(f"the signature is {'wrong' if signature else 'missing'}")
