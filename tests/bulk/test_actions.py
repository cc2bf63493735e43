from __future__ import annotations

from typing import Any

import pytest

from asyncsim.bulk.actions import Action, check, is_irreversible, is_offered, keywords, required
from asyncsim.vendors import Product

SUPERSIM, WIRELESS = Product.SUPERSIM, Product.WIRELESS
UPDATE, SEND = Action.UPDATE, Action.SEND


@pytest.mark.parametrize(
    ("product", "action", "change"),
    [
        (SUPERSIM, UPDATE, {"status": "active", "fleet": "f", "unique_name": None}),
        (WIRELESS, UPDATE, {"status": "suspended", "rate_plan": "p", "friendly_name": "x"}),
        (WIRELESS, UPDATE, {"reset_status": "resetting"}),
        (SUPERSIM, UPDATE, {"account_sid": "AC" + "0a" * 16}),
        (SUPERSIM, Action.REGISTER, {"registration_code": "H3LL0W0RLD"}),
        (SUPERSIM, SEND, {"payload": "reboot"}),
        (WIRELESS, SEND, {"command": "x" * 188, "command_mode": "binary", "include_sid": "end"}),
        (WIRELESS, SEND, {"command": "x", "delivery_receipt_requested": False}),
        (WIRELESS, SEND, {"include_sid": "none"}),  # the text may come from a column
        (WIRELESS, Action.DELETE, {}),
    ],
)
def test_a_valid_change_has_no_problems(
    product: Product, action: Action, change: dict[str, Any]
) -> None:
    assert list(check(product, action, change)) == []


@pytest.mark.parametrize(
    ("product", "action", "change", "message"),
    [
        (SUPERSIM, UPDATE, {"status": "actve"}, "status cannot be 'actve'; did you mean 'active'?"),
        (SUPERSIM, UPDATE, {"stats": "active"}, "did you mean 'status'?"),
        (SUPERSIM, UPDATE, {"rate_plan": "p"}, "takes no keyword 'rate_plan'"),
        (SUPERSIM, UPDATE, {"status": None}, "status cannot be cleared"),
        (SUPERSIM, UPDATE, {"fleet": 7}, "fleet must be text, not int"),
        (SUPERSIM, UPDATE, {"callback_url": "https://x"}, "sets callback_url itself"),
        (SUPERSIM, UPDATE, {"callback_method": "GET"}, "sets callback_method itself"),
        (SUPERSIM, UPDATE, {"account_sid": "ACME"}, "must be the SID of an account"),
        (SUPERSIM, Action.REGISTER, {"iccid": "89"}, "sets iccid itself"),
        (SUPERSIM, SEND, {"sim": "HS"}, "sets sim itself"),
        (SUPERSIM, SEND, {"payload": ""}, "needs payload"),
        (SUPERSIM, SEND, {"payload": "x" * 161}, "payload has 161 characters; the maximum is 160"),
        (WIRELESS, SEND, {"command": "x" * 161}, "command has 161 characters"),
        (WIRELESS, UPDATE, {"status": "canceled"}, "status cannot be 'canceled'"),
        (WIRELESS, UPDATE, {"status": "ready", "reset_status": "resetting"}, "together"),
        (WIRELESS, Action.DELETE, {"status": "ready"}, "takes no changes"),
    ],
)
def test_an_invalid_change_is_described(
    product: Product, action: Action, change: dict[str, Any], message: str
) -> None:
    (error,) = check(product, action, change)
    assert message in str(error)


def test_all_problems_of_a_change_are_reported_together() -> None:
    change = {"status": "x", "fleat": "y", "callback_url": "z"}
    assert len(list(check(SUPERSIM, UPDATE, change))) == 3


def test_some_actions_are_supported_for_one_product_only() -> None:
    pairs = {(product, action) for product in (SUPERSIM, WIRELESS) for action in Action}
    assert {pair for pair in pairs if not is_offered(*pair)} == {
        (SUPERSIM, Action.DELETE),
        (WIRELESS, Action.REGISTER),
    }


def test_the_sims_name_and_callback_keywords_are_not_accepted() -> None:
    assert set(keywords(SUPERSIM, SEND)) == {"payload"}
    assert set(keywords(SUPERSIM, Action.REGISTER)) == {"registration_code"}
    assert "callback_url" not in keywords(WIRELESS, UPDATE)
    assert not keywords(WIRELESS, Action.DELETE)


def test_texts_and_codes_are_required() -> None:
    assert required(SUPERSIM, SEND) == ("payload",)
    assert required(WIRELESS, SEND) == ("command",)
    assert required(SUPERSIM, Action.REGISTER) == ("registration_code",)
    assert required(SUPERSIM, UPDATE) == ()


@pytest.mark.parametrize(
    ("product", "action", "change", "irreversible"),
    [
        (WIRELESS, Action.DELETE, {}, True),
        (WIRELESS, UPDATE, {"status": "deactivated"}, True),
        (WIRELESS, UPDATE, {"status": "canceled"}, True),
        (WIRELESS, UPDATE, {"status": "suspended"}, False),
        (WIRELESS, UPDATE, {"reset_status": "resetting"}, False),
        (SUPERSIM, UPDATE, {"status": "inactive"}, False),
        (SUPERSIM, SEND, {"payload": "x"}, False),
    ],
)
def test_irreversible_changes_are_recognized(
    product: Product, action: Action, change: dict[str, Any], irreversible: bool
) -> None:
    assert is_irreversible(product, action, change) is irreversible
