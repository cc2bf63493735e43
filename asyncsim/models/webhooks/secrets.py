"""The Secret with which KORE signs callbacks. JSON in, JSON out, pages counted from 1.

Source: kore_webhook_v1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, TypedDict

from attrs import field, frozen

from asyncsim.kind import FormKey, Kind
from asyncsim.models.common import VendorRecord
from asyncsim.vendors import Product

SecretStatus: TypeAlias = Literal["active", "pending"] | str


@frozen(kw_only=True)
class Secret(VendorRecord):
    """A secret; its value is shown once, by `create`, and never in a repr."""

    id: str
    """`whs_` and 26 characters."""
    name: str | None = None
    status: SecretStatus | None = None
    last_modified: datetime | None = None
    secret: str | None = field(default=None, repr=False)
    """The value; None except from `create`."""


class SecretCreate(TypedDict):
    """Keywords of `create`."""

    name: str


class SecretUpdate(TypedDict, total=False):
    """Keywords of `update`."""

    name: str
    status: Literal["active", "pending"]
    """A newly activated secret signs everything from then on."""


class SecretFilter(TypedDict, total=False):
    """Keywords of `list`; this API spells its query in lower case."""

    status: Annotated[Literal["active", "pending"], FormKey("status")]
    page_number: Annotated[int, FormKey("page_number")]
    """Counted from 1."""
    page_size: Annotated[int, FormKey("page_size")]


SECRETS = Kind(
    noun="Secret",
    product=Product.WEBHOOKS,
    path="/v1/secrets",
    key="data",
    model=Secret,
    create=SecretCreate,
    update=SecretUpdate,
    filters=SecretFilter,
)
