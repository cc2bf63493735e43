"""Which changes start a monthly fee: expected values from the vendors' tables of statuses."""

from __future__ import annotations

import pytest

from asyncsim.core.billing import becomes_billable, becomes_billable_later
from asyncsim.vendors import Product


@pytest.mark.parametrize("product", [Product.SUPERSIM, Product.WIRELESS])
@pytest.mark.parametrize("before", ["new", "ready", "inactive", "suspended", "scheduled", None])
def test_activating_starts_a_fee_unless_the_sim_is_active(
    product: Product, before: str | None
) -> None:
    assert becomes_billable(product, before, "active")
    assert not becomes_billable(product, "active", "active")


@pytest.mark.parametrize("target", ["ready", "inactive", "suspended", "deactivated", None])
def test_no_other_target_starts_one_at_once(target: str | None) -> None:
    for product in (Product.SUPERSIM, Product.WIRELESS):
        assert not becomes_billable(product, "new", target)


@pytest.mark.parametrize(
    ("product", "before", "target", "later"),
    [
        (Product.SUPERSIM, "new", "ready", True),
        (Product.SUPERSIM, "active", "inactive", False),
        (Product.WIRELESS, "new", "ready", True),
        (Product.WIRELESS, "new", "suspended", True),
        (Product.WIRELESS, "active", "suspended", False),
        (Product.WIRELESS, "ready", "suspended", False),
        (Product.WIRELESS, "new", "deactivated", False),
    ],
)
def test_a_fee_follows_later_from_ready_and_from_suspended(
    product: Product, before: str, target: str, later: bool
) -> None:
    assert becomes_billable_later(product, before, target) is later
