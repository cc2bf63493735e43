"""Settings for everything the vendors' documents leave open, each with its default and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class Behaviour:
    """How this emulator decides where no document does; change one to see what your code does."""

    date_updated_moves_on_settle: bool = True
    """Whether `date_updated` moves again when a transition settles, as any write would."""

    list_order: Literal["newest", "oldest"] = "newest"
    """Order of lists by `date_created`; newest first is customary at Twilio."""

    unknown_parameters: Literal["ignore", "refuse"] = "ignore"
    """What happens to form and query keys of no documented name; "refuse" answers 20001."""

    refused_status_filters: frozenset[str] = frozenset()
    """Values of `?Status=` that are refused. KORE's text allows only ready, active, suspended and
    deactivated for Programmable Wireless, but its enum has all eight, so nothing is refused."""

    http_status: Mapping[int, int] = field(factory=dict)
    """HTTP status by error code, over the defaults in `refusals.HTTP_STATUS`. Documents give the
    code but seldom the status."""

    callback_on_sync_update: bool = False
    """Whether an update that is finished at once calls back too; Super SIM's text speaks of
    asynchronous updates only."""

    callback_on_reset: bool = False
    """Whether the end of a connectivity reset calls back; no document mentions it."""

    get_callback_query: Literal["append", "replace"] = "append"
    """Whether a GET callback keeps the query its URL already has."""

    callback_retry_delay: float = 1.0
    """Seconds between two attempts of one callback; not published."""

    kore_signs: bool = True
    """Whether the KORE account has created a webhook secret; without one KORE's signature header
    is there but empty (KORE docs, Validate Webhook Signatures)."""

    kore_rewrites_page_urls: bool = True
    """Whether KORE's page URLs name its own host; False lets them name Twilio's."""

    kore_token_lifetime: float = 3600.0
    """`expires_in` of access tokens: one hour, the shortest that KORE offers."""

    wireless_pending: tuple[str, ...] = ("updating",)
    """Statuses a Programmable Wireless SIM shows, in order, while a change is carried out.
    `updating` is the ordinary path by its definition, `scheduled` the operator's outage."""

    ready_from_suspended: bool = False
    """Programmable Wireless: whether `suspended` may go to `ready`."""

    active_from_deactivated: bool = False
    """Programmable Wireless: whether `deactivated` may go back to `active`; the text calls it the
    status of SIMs that never reconnect."""

    inactive_from_new: bool = False
    """Super SIM: whether `new` may go straight to `inactive`."""

    names_locked_while_updating: bool = False
    """Programmable Wireless: whether names and URLs, too, answer 409 during an update. The text
    says "some fields"; 33010 names status and rate plan."""

    rate_plan_async_in: frozenset[str] = frozenset({"ready", "active", "suspended"})
    """Programmable Wireless: statuses in which a change of rate plan alone is asynchronous."""

    reset_allowed_in: frozenset[str] = frozenset({"ready", "active"})
    """Statuses that allow a connectivity reset, else 33119: a blocked SIM has no connection."""

    delete_allowed_in: frozenset[str] = frozenset({"new", "canceled"})
    """Programmable Wireless: statuses that allow DELETE, else 409; KORE documents the 409 only."""

    registration_answers_empty_name: bool = True
    """Super SIM: `unique_name` is "" in the answer to a registration, as in the example of
    Twilio's reference; elsewhere an absent name is null."""
