"""What a job can do to SIMs: the keywords of each action, checked before anything is sent."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.supersim.sims import SIMS as SUPER_SIMS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS
from asyncsim.validation import looks_like_sid
from asyncsim.vendors import Product
from asyncsim.wire import forms

CLEAR = "!clear"
"""What a cell says to clear a field; an empty one asks for nothing."""
_CLEARED = "(cleared)"
_LONGEST_TEXT = 160  # characters, both vendors, both products
_CODE = 10  # characters of a registration code (Twilio's reference, Register a Super SIM)
_LONGEST_BINARY = 188  # 140 bytes as Base64


class Action(enum.StrEnum):
    """What is asked of each SIM of a job."""

    UPDATE = "update"
    """Change status, Fleet or RatePlan, names, account; start a connectivity reset."""
    REGISTER = "register"
    """Add a Super SIM to the account, by ICCID and registration code."""
    DELETE = "delete"
    """Delete a Programmable Wireless SIM, for ever."""
    SEND = "send"
    """Send a text to a SIM: an SmsCommand, or a Command. It cannot be repeated without risk."""


@frozen(kw_only=True)
class _Form:
    """What one action takes: a TypedDict, without what the job itself fills in."""

    keywords: Any
    filled: frozenset[str]

    def params(self) -> dict[str, forms.Param]:
        params = forms.params_of(self.keywords) if self.keywords else {}
        return {name: one for name, one in params.items() if name not in self.filled}


# The client's own receiver gives each request its callback URL.
_CALLBACK = frozenset({"callback_url", "callback_method"})
_NOTHING = _Form(keywords=None, filled=frozenset())
_SEND = _CALLBACK | {"sim"}
_FORMS: Mapping[tuple[Product, Action], _Form] = {
    (Product.SUPERSIM, Action.UPDATE): _Form(keywords=SUPER_SIMS.update, filled=_CALLBACK),
    (Product.WIRELESS, Action.UPDATE): _Form(keywords=WIRELESS_SIMS.update, filled=_CALLBACK),
    (Product.SUPERSIM, Action.REGISTER): _Form(
        keywords=SUPER_SIMS.create, filled=frozenset({"iccid"})
    ),
    (Product.WIRELESS, Action.DELETE): _NOTHING,
    (Product.SUPERSIM, Action.SEND): _Form(keywords=SMS_COMMANDS.create, filled=_SEND),
    (Product.WIRELESS, Action.SEND): _Form(keywords=COMMANDS.create, filled=_SEND),
}
_KINDS: Mapping[Product, Kind[Any]] = {
    Product.SUPERSIM: SUPER_SIMS,
    Product.WIRELESS: WIRELESS_SIMS,
}
_IRREVERSIBLE = frozenset({"deactivated", "canceled"})
"""Statuses of Programmable Wireless: KORE's page says that 72 hours after `deactivated` a SIM is
`canceled`, for ever."""


def kind_of(product: Product) -> Kind[Any]:
    """The kind of a product's SIMs."""
    return _KINDS[product]


def is_offered(product: Product, action: Action) -> bool:
    """Tell whether a product has an action at all."""
    return (product, action) in _FORMS


def keywords(product: Product, action: Action) -> Mapping[str, forms.Param]:
    """What an action takes for a SIM, without what names the SIM."""
    return _FORMS[product, action].params()


def required(product: Product, action: Action) -> tuple[str, ...]:
    """Keywords without which nothing can be sent."""
    params = keywords(product, action)
    return tuple(name for name, param in params.items() if param.required)


def clearable(product: Product, action: Action) -> tuple[str, ...]:
    """Keywords of fields that can be cleared, by None; an empty text is never sent for one."""
    return tuple(name for name, one in keywords(product, action).items() if one.clearable)


def described(change: Mapping[str, Any]) -> str:
    """What a change asks for, in words."""
    return ", ".join(f"{name}={_CLEARED if v is None else v}" for name, v in change.items())


def is_irreversible(product: Product, action: Action, change: Mapping[str, Any]) -> bool:
    """Tell whether what is asked can never be taken back."""
    if action is Action.DELETE:
        return True
    updates = action is Action.UPDATE and product is Product.WIRELESS
    return updates and change.get("status") in _IRREVERSIBLE


def check(product: Product, action: Action, change: Mapping[str, Any]) -> list[str]:
    """What is wrong with keywords, in words; what is not given is not missed."""
    return [str(fault) for fault in faults(product, action, change)]


def faults(
    product: Product, action: Action, change: Mapping[str, Any]
) -> Iterator[TypeError | ValueError]:
    """The same as errors: TypeError for keywords, ValueError for values."""
    for keyword, value in change.items():
        try:
            _check_one(product, action, keyword, value)
        except (TypeError, ValueError) as error:
            yield error
    for rule in _RULES:
        if text := rule(product, action, change):
            yield ValueError(text)


def _check_one(product: Product, action: Action, keyword: str, value: object) -> None:
    form = _FORMS[product, action]
    what = f"a {product.label} {action} job"
    if keyword in form.filled:
        raise TypeError(f"{what} sets {keyword} by itself; leave it out")
    if form.keywords is None:
        raise TypeError(f"{what} takes no changes; leave {keyword} out")
    if not isinstance(value, str | bool | None):
        raise TypeError(f"{keyword} must be text, not {type(value).__name__}")
    params = forms.params_of(form.keywords)
    others = {name: "-" for name, param in params.items() if param.required}
    try:
        forms.check(form.keywords, {**others, keyword: value}, what)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{what}: ")) from None


# Rules that the declarations cannot express. Each says what is wrong, or None.


def _reset_goes_alone(product: Product, action: Action, change: Mapping[str, Any]) -> str | None:
    if "reset_status" in change and "status" in change:
        return "reset_status and status cannot be asked for at once (33121); run two jobs"
    return None


def _text_fits(product: Product, action: Action, change: Mapping[str, Any]) -> str | None:
    binary = change.get("command_mode") == "binary"
    longest = _LONGEST_BINARY if binary else _LONGEST_TEXT
    for keyword in ("payload", "command"):
        value = change.get(keyword)
        if isinstance(value, str) and len(value) > longest:
            return f"{keyword} has {len(value)} characters; {longest} is the most"
    return None


def _account_is_a_sid(product: Product, action: Action, change: Mapping[str, Any]) -> str | None:
    value = change.get("account_sid")
    if isinstance(value, str) and not (value.startswith("AC") and looks_like_sid(value)):
        return f"account_sid must be the SID of an account (AC and 32 hex digits), not {value!r}"
    return None


def _code_is_whole(product: Product, action: Action, change: Mapping[str, Any]) -> str | None:
    code = change.get("registration_code")
    whole = isinstance(code, str) and len(code) == _CODE and code.isascii() and code.isalnum()
    if not isinstance(code, str) or whole:
        return None
    return (
        f"registration_code must be the {_CODE} letters and digits of the card, not {code!r}; a"
        " spreadsheet drops zeros and digits unless that column is formatted as text"
    )


_RULES: tuple[Callable[[Product, Action, Mapping[str, Any]], str | None], ...] = (
    _reset_goes_alone,
    _text_fits,
    _account_is_a_sid,
    _code_is_whole,
)
