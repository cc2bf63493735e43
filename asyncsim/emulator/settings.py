"""Settings of the emulator: behaviour, latency, faults, and those in force while it runs."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Literal

from attrs import Attribute, field, frozen

_HOUR = 3600.0
_DAY = 24 * _HOUR


def _is_number(value: object) -> bool:
    # bool is a subclass of int, and JSON's NaN and Infinity would pass every comparison below.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _non_negative(default: float) -> float:
    """A field with a number from 0 up, such as a time in seconds."""

    def check(instance: object, attribute: Attribute[float], value: Any) -> None:
        if not _is_number(value) or value < 0:
            raise ValueError(f"{attribute.name} must be a number of at least 0, not {value!r}")

    return field(default=default, validator=check)


def _probability(default: float = 0.0) -> float:
    """A field with a probability."""

    def check(instance: object, attribute: Attribute[float], value: Any) -> None:
        if not _is_number(value) or not 0.0 <= value <= 1.0:
            raise ValueError(
                f"{attribute.name} is a probability and must be from 0 to 1, not {value!r}"
            )

    return field(default=default, validator=check)


def _check_seed(instance: object, attribute: Attribute[int], value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{attribute.name} must be a whole number, not {value!r}")


def _check_concurrency(instance: object, attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{attribute.name} must be a whole number of at least 1, not {value!r}")


def _check_retry_after(instance: object, attribute: Attribute[Any], value: Any) -> None:
    # Any finite number: zero, negative and absurd ones are what a client must withstand.
    if value is not None and not _is_number(value):
        raise ValueError(f"{attribute.name} must be a number of seconds, not {value!r}")


@frozen(kw_only=True)
class Behaviour:
    """What the vendors' documents leave open, each default with its reason."""

    date_updated_moves_on_settle: bool = True
    """Whether `date_updated` moves again when a transition settles, as any write would."""

    list_order: Literal["newest", "oldest"] = "newest"
    """Order of lists by `date_created`; newest first is customary at Twilio."""

    unknown_parameters: Literal["ignore", "refuse"] = "ignore"
    """What happens to undocumented form and query keys; "refuse" rejects them with 20001."""

    refused_status_filters: frozenset[str] = frozenset()
    """Values of `?Status=` that are rejected. KORE's text allows only ready, active, suspended and
    deactivated for Programmable Wireless, but its enum has all eight, so nothing is rejected."""

    http_status: Mapping[int, int] = field(factory=dict)
    """HTTP status by error code, over the defaults in `errors.HTTP_STATUS`. Documents give the
    code but seldom the status."""

    callback_on_sync_update: bool = False
    """Whether an update that takes effect at once calls back too; Super SIM's text speaks of
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
    """Programmable Wireless: whether names and URLs, too, are rejected with 409 during an
    update. The text says "some fields"; 33010 names status and rate plan."""

    rate_plan_async_in: frozenset[str] = frozenset({"ready", "active", "suspended"})
    """Programmable Wireless: statuses in which a change of rate plan alone is asynchronous."""

    reset_allowed_in: frozenset[str] = frozenset({"ready", "active"})
    """Statuses that allow a connectivity reset, else 33119: a blocked SIM has no connection."""

    delete_allowed_in: frozenset[str] = frozenset({"new", "canceled"})
    """Programmable Wireless: statuses that allow DELETE, else 409; KORE documents the 409 only."""

    kore_rate_plan_create_status: Literal[200, 202] = 200
    """KORE documents both as the response to creating a RatePlan."""

    kore_command_create_status: Literal[201, 202] = 201
    """KORE documents both as the response to creating a Command."""

    kore_command_delete_status: Literal[202, 204] = 204
    """KORE documents both as the response to deleting a Command."""

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
    """Status in the response to creating an ESimProfile; the examples show both."""

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
    """Super SIM: `unique_name` is "" in the response to a registration, as in the example of
    Twilio's reference; elsewhere an absent name is null."""


@frozen(kw_only=True)
class Latency:
    """Seconds, all divided by the emulator's `speed`.

    An asynchronous change takes a lognormal time: most near the median, a few much longer. KORE's
    page says "a few seconds to a minute" for Programmable Wireless; nothing is published for
    Super SIM.
    """

    transition: float = _non_negative(20.0)
    """Median of an asynchronous change."""
    sigma: float = _non_negative(0.8)
    """Spread of its logarithm; 0 makes every change take the median."""
    shortest: float = _non_negative(1.0)
    longest: float = _non_negative(600.0)
    reset: float = _non_negative(10.0)
    """Until the operator accepts a connectivity reset."""
    activation: float = _non_negative(90 * _DAY)
    """`ready` to `active` by itself: three months in the documents."""
    cancelation: float = _non_negative(72 * _HOUR)
    """`deactivated` to `canceled` by itself (Programmable Wireless)."""
    sending: float = _non_negative(2.0)
    """Until a Command has been sent for the first time, or has failed."""
    receipt: float = _non_negative(3.0)
    """From then until its delivery is confirmed."""
    resending: float = _non_negative(600.0)
    """Between two attempts to reach a device that is off the network."""
    reserving: float = _non_negative(1.0)
    """Until an ESimProfile is `reserving`."""
    reservation: float = _non_negative(15.0)
    """From then until it is `available`."""
    callback: float = _non_negative(0.05)
    """From the end of a change to its callback being sent."""

    def of_transition(self, seed: int, sid: str, number: int) -> float:
        """Seconds of a SIM's n-th change; independent of the order in which requests arrive."""
        draw = random.Random(f"{seed}:{sid}:{number}")  # noqa: S311  # repeatable, not secret
        seconds = self.transition * math.exp(draw.gauss(0.0, self.sigma))
        return min(max(seconds, min(self.shortest, self.transition)), self.longest)


@frozen(kw_only=True)
class Faults:
    """Injected faults: probabilities from 0 to 1, and limits. By default there are none.

    Each fault draws from a random generator of its own, so turning one on does not change when
    the others hit.
    """

    seed: int = field(default=0, validator=_check_seed)
    rate_limited: float = _probability()
    """Chance that a request is throttled (429) and not processed."""
    concurrency: int | None = field(default=None, validator=_check_concurrency)
    """Requests that an account may have in flight; one more is throttled (429)."""
    retry_after: float | None = field(default=None, validator=_check_retry_after)
    """Seconds in the `Retry-After` header of a 429; None sends no such header."""
    server_errors: float = _probability()
    """Chance of a 5xx response."""
    dropped: float = _probability()
    """Chance that the connection is closed instead of a response."""
    share_processed: float = _probability(0.5)
    """Share of the server errors and drops that hit after the request was processed."""
    answer_takes: float = _non_negative(0.0)
    """Seconds that every response takes; meanwhile the request counts as in flight."""
    slow: float = _probability()
    """Chance that a response takes `slow_seconds` more; the request is processed at once."""
    slow_seconds: float = _non_negative(5.0)
    lost_callbacks: float = _probability()
    """Chance that a callback is never sent."""
    late_callbacks: float = _probability()
    """Chance that a callback is sent `late_seconds` later, so perhaps out of order."""
    late_seconds: float = _non_negative(30.0)
    doubled_callbacks: float = _probability()
    """Chance that a callback is sent twice, with the same idempotency token."""
    failing_updates: float = _probability()
    """Chance that an accepted change fails and the SIM goes back to what it was."""
    failing_commands: float = _probability()
    """Chance that a Command fails instead of being sent."""
    failing_reservations: float = _probability()
    """Chance that no eSIM profile is left (error 83500)."""


class FaultSampler:
    """Random draws that decide whether a fault hits."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._generators: dict[str, random.Random] = {}

    def hits(self, name: str) -> bool:
        """Whether the fault of that name hits this time."""
        chance: float = getattr(self.faults, name)
        if chance <= 0.0:
            return False
        generator = self._generators.get(name)
        if generator is None:
            generator = random.Random(f"{self.faults.seed}:{name}")  # noqa: S311
            self._generators[name] = generator
        return generator.random() < chance


class RuntimeSettings:
    """Behaviour, latency and faults in force; tests replace them while the emulator runs."""

    def __init__(
        self, behaviour: Behaviour, latency: Latency, faults: Faults, *, speed: float, seed: int
    ) -> None:
        self.behaviour = behaviour
        self.latency = latency
        self.speed = speed
        self.seed = seed
        self.sampler = FaultSampler(faults)

    @property
    def faults(self) -> Faults:
        """The faults in force; setting them restarts their random generators."""
        return self.sampler.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.sampler = FaultSampler(faults)

    def transition_seconds(self, sid: str, number: int) -> float:
        """Seconds of a SIM's n-th change."""
        return self.latency.of_transition(self.seed, sid, number) / self.speed

    def seconds(self, latency: str) -> float:
        """Seconds of another latency, by its name."""
        seconds: float = getattr(self.latency, latency)
        return seconds / self.speed
