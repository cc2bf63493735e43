"""Actions of a job: the keywords that each takes, checked before anything is sent."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from asyncsim.core import goal
from asyncsim.kind import Kind
from asyncsim.models.supersim.sims import SIMS as SUPER_SIMS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from asyncsim.validation import looks_like_sid
from asyncsim.vendors import Product
from asyncsim.wire import forms

CLEAR = "!clear"
"""A cell with this word clears its field; an empty cell changes nothing."""
_MAX_TEXT = 160  # characters (Twilio docs, "Command Resource" and "SMSCommand Resource")
_MAX_BINARY = 188  # 140 bytes as Base64 (Twilio docs, "Command Resource")
_CODE_LENGTH = 10  # characters (Twilio docs, "Register a Super SIM to your Account")


class Action(enum.StrEnum):
    """The operation that a job performs on each SIM."""

    UPDATE = "update"
    """Change status, Fleet or RatePlan, names, account; start a connectivity reset."""
    REGISTER = "register"
    """Add a Super SIM to the account, by ICCID and registration code."""
    DELETE = "delete"
    """Delete a Programmable Wireless SIM, which is irreversible."""
    SEND = "send"
    """Send a text to a SIM: an SmsCommand, or a Command. Never resent."""


@frozen(kw_only=True)
class _Form:
    """The keywords of one action: a TypedDict, without those that the job sets itself."""

    keywords: Any
    filled: frozenset[str]


# The client's receiver gives each request its callback URL, with a ticket for its SIM.
_CALLBACK = frozenset({"callback_url", "callback_method"})
_SEND = _CALLBACK | {"sim"}
_FORMS: Mapping[tuple[Product, Action], _Form] = {
    (Product.SUPERSIM, Action.UPDATE): _Form(keywords=SUPER_SIMS.update, filled=_CALLBACK),
    (Product.WIRELESS, Action.UPDATE): _Form(keywords=WIRELESS_SIMS.update, filled=_CALLBACK),
    (Product.SUPERSIM, Action.REGISTER): _Form(
        keywords=SUPER_SIMS.create, filled=frozenset({"iccid"})
    ),
    (Product.WIRELESS, Action.DELETE): _Form(keywords=None, filled=frozenset()),
    (Product.SUPERSIM, Action.SEND): _Form(keywords=SMS_COMMANDS.create, filled=_SEND),
    (Product.WIRELESS, Action.SEND): _Form(keywords=COMMANDS.create, filled=_SEND),
}
_KINDS: Mapping[Product, Kind[Any]] = {
    Product.SUPERSIM: SUPER_SIMS,
    Product.WIRELESS: WIRELESS_SIMS,
}


def kind_of(product: Product) -> Kind[Any]:
    """The kind of a product's SIMs."""
    return _KINDS[product]


def is_offered(product: Product, action: Action) -> bool:
    """Tell whether a product has an action."""
    return (product, action) in _FORMS


def keywords(product: Product, action: Action) -> Mapping[str, forms.Param]:
    """The keywords that an action takes for a SIM, without those that name the SIM."""
    form = _FORMS[product, action]
    params = forms.params_of(form.keywords) if form.keywords else {}
    return {name: one for name, one in params.items() if name not in form.filled}


def required(product: Product, action: Action) -> tuple[str, ...]:
    """Required keywords."""
    params = keywords(product, action)
    return tuple(name for name, param in params.items() if param.required)


def clearable(product: Product, action: Action) -> tuple[str, ...]:
    """Keywords of fields that None clears; they are never sent as an empty text."""
    return tuple(name for name, one in keywords(product, action).items() if one.clearable)


def describe(change: Mapping[str, Any]) -> str:
    """Describe a change: `status=active, fleet=(cleared)`."""
    return ", ".join(f"{name}={'(cleared)' if v is None else v}" for name, v in change.items())


def is_irreversible(product: Product, action: Action, change: Mapping[str, Any]) -> bool:
    """Tell whether a change is irreversible."""
    status = change.get("status")
    if action is Action.UPDATE and isinstance(status, str):
        return goal.is_irreversible(kind_of(product), status)
    return action is Action.DELETE


def check(
    product: Product, action: Action, change: Mapping[str, Any]
) -> Iterator[TypeError | ValueError]:
    """Yield what cannot be sent: TypeError for keywords, ValueError for values.

    Missing required keywords are not reported: a row's columns may still provide them.
    """
    for keyword, value in change.items():
        try:
            _check_keyword(product, action, keyword, value)
        except (TypeError, ValueError) as error:
            yield error
    # Rules that the declarations of keywords cannot express.
    if "reset_status" in change and "status" in change:
        yield ValueError("reset_status and status cannot be sent together (33121); run two jobs")
    longest = _MAX_BINARY if change.get("command_mode") == "binary" else _MAX_TEXT
    for keyword in ("payload", "command"):
        text = change.get(keyword)
        if isinstance(text, str) and len(text) > longest:
            yield ValueError(f"{keyword} has {len(text)} characters; the maximum is {longest}")
    account = change.get("account_sid")
    if isinstance(account, str) and not (account.startswith("AC") and looks_like_sid(account)):
        wanted = "the SID of an account (AC and 32 hex digits)"
        yield ValueError(f"account_sid must be {wanted}, not {account!r}")
    code = change.get("registration_code")
    if isinstance(code, str) and not (
        len(code) == _CODE_LENGTH and code.isascii() and code.isalnum()
    ):
        # A spreadsheet turns 0012345678 into 12345678, which the vendor would only reject
        # row by row.
        yield ValueError(
            f"registration_code must be the {_CODE_LENGTH} letters and digits of the card, not"
            f" {code!r}; a spreadsheet drops zeros and digits unless that column is formatted as"
            " text"
        )


def _check_keyword(product: Product, action: Action, keyword: str, value: object) -> None:
    form = _FORMS[product, action]
    what = f"a {product.label} {action} job"
    if keyword in form.filled:
        raise TypeError(f"{what} sets {keyword} itself; leave it out")
    if form.keywords is None:
        raise TypeError(f"{what} takes no changes; leave {keyword} out")
    if not isinstance(value, str | bool | None):
        raise TypeError(f"{keyword} must be text, not {type(value).__name__}")
    # One keyword at a time, so that each problem is reported; required others get dummy values.
    params = forms.params_of(form.keywords)
    others = {name: "-" for name, param in params.items() if param.required}
    try:
        forms.check(form.keywords, {**others, keyword: value}, what)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{what}: ")) from None
