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

    kore_rate_plan_create_status: Literal[200, 202] = 200
    """KORE documents both as answers to the creation of a RatePlan."""

    kore_command_create_status: Literal[201, 202] = 201
    """KORE documents both as answers to a Command."""

    kore_command_delete_status: Literal[202, 204] = 204
    """KORE documents both as answers to the deletion of a Command."""

    rate_plan_in_use_deletable: bool = False
    """Whether a RatePlan that SIMs have may be deleted, else 409; KORE documents the 409 only,
    without its cause."""

    longest_unique_name: int = 64
    """Characters of the unique name of a RatePlan, Fleet or NetworkAccessProfile; no limit is
    published, though 33101 names the case."""

    fleet_data_limit: int = 1000
    """Megabytes of a Fleet that is created without a limit: the text of the parameter says 1 GB,
    that of the response 250 MB."""

    wireless_command_callbacks: frozenset[str] = frozenset({"sent", "delivered", "failed"})
    """Statuses of a Programmable Wireless Command that call back. The text: "when the Command has
    finished sending, whether the command was delivered or it failed"."""

    wireless_counted_commands: frozenset[str] = frozenset({"to_sim", "from_sim"})
    """Directions of the five Commands that make a `ready` Programmable Wireless SIM `active`: the
    resource page counts both, the status guide only those to the SIM."""

    no_messaging_code: Literal[33201, 33203] = 33201
    """Code of a Command to a SIM whose RatePlan forbids messaging; both are titled so."""

    unsendable_code: int = 20001
    """Super SIM: code of an SMS Command to a SIM that is neither `ready` nor `active`, or whose
    Fleet forbids it; none is published."""

    ip_command_shows_address: bool = False
    """Super SIM: whether `device_ip` is there while an IP Command is queued: the example has it,
    the prose says null until sent."""

    esim_first_status: Literal["new", "reserving"] = "new"
    """Status in the answer to the creation of an ESimProfile; the examples show both."""

    esim_callbacks: frozenset[str] = frozenset({"available"})
    """Statuses of an ESimProfile that call back: the documents name `available` only, Twilio's page
    also `downloaded`."""

    usage_shows_empty_periods: bool = False
    """Whether an hour or a day without any usage has a record of its own."""

    usage_longest_days: Mapping[str, int] = field(factory=lambda: {"hour": 31, "day": 366})
    """Super SIM: longest period by granularity, in days, else 83604; no figure is published."""

    monitor_shows_pending: bool = False
    """Whether `updating` and `scheduled` are recorded as statuses of their own."""

    new_secret_status: Literal["active", "pending"] = "active"  # noqa: S105  # a status
    """Status of a webhook secret that was just created; KORE's text says that it signs everything
    from then on."""

    registration_answers_empty_name: bool = True
    """Super SIM: `unique_name` is "" in the answer to a registration, as in the example of
    Twilio's reference; elsewhere an absent name is null."""
