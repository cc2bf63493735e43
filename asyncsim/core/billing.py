"""Monthly fees: the statuses in which a SIM is charged one, as far as the vendors document it.

Prices, usage fees and what an account has negotiated are not part of the APIs' documents. Sources:
Twilio docs, "Sim Resource" (Super SIM) and "BillingPeriod Resource"; KORE docs, "Wireless Sim
Resource".
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncsim.vendors import Product

_CHARGED: Mapping[Product, frozenset[str]] = {
    # Neither document says "fee" at `active`; both say of every other status that there is none.
    Product.WIRELESS: frozenset({"active"}),
    # A new BillingPeriod follows unless the SIM is `inactive`; `ready` has no subscription fee.
    Product.SUPERSIM: frozenset({"active"}),
}
_CHARGED_LATER: Mapping[Product, frozenset[str]] = {
    # `ready` becomes `active` after 250 KB, three months or the fifth Command; a `suspended` SIM
    # has a monthly fee of its own after three months.
    Product.WIRELESS: frozenset({"ready", "suspended"}),
    Product.SUPERSIM: frozenset({"ready"}),  # 250 KB, three months or five SMS Commands
}


def becomes_billable(product: Product, before: str | None, target: str | None) -> bool:
    """Tell whether a change starts a monthly fee.

    A status that is pending or unknown counts as free of charge: too high a number is safer.
    """
    charged = _CHARGED.get(product, frozenset())
    return target in charged and before not in charged


def becomes_billable_later(product: Product, before: str | None, target: str | None) -> bool:
    """Tell whether a change leads to a monthly fee without another request."""
    later = _CHARGED_LATER.get(product, frozenset())
    return target in later and before not in later | _CHARGED[product]
