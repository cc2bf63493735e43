"""Goals of waits: which statuses a SIM may move through, and what a record says about a goal.

Only documented rules: where the documents leave a transition open, it counts as possible.
Sources: Twilio docs "Sim Resource" of both products, "SMSCommand Resource", "ESimProfile Resource";
KORE docs "Wireless Sim Resource".
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from asyncsim.kind import Kind
from asyncsim.vendors import Product

_Key = tuple[Product, str]
_WIRELESS_SIMS = (Product.WIRELESS, "sims")
_SUPER_SIMS = (Product.SUPERSIM, "sims")
_COMMANDS = (
    (Product.WIRELESS, "commands"),
    (Product.SUPERSIM, "sms_commands"),
    (Product.SUPERSIM, "ip_commands"),
)

# Transitions that happen without a request, seconds to months after a SIM has settled.
_AUTOMATIC: Mapping[_Key, Mapping[str, str]] = {
    _WIRELESS_SIMS: {
        "ready": "active",  # 250 KB, three months or the fifth Command
        "deactivated": "canceled",  # after 72 hours
    },
    _SUPER_SIMS: {"ready": "active"},  # 250 KB, three months or five SMS Commands
    (Product.WIRELESS, "commands"): {"sent": "delivered"},  # if a receipt was requested
    (Product.SUPERSIM, "sms_commands"): {"sent": "delivered"},  # on the device's confirmation
    # The device decides when to download.
    (Product.SUPERSIM, "esim_profiles"): {"available": "downloaded", "downloaded": "installed"},
}
# Settled statuses that a request may pass through on its way to its own target. Twilio docs,
# "Understanding SIM Statuses": a SIM may be `ready` before it is `active`.
_THROUGH: Mapping[_Key, Mapping[str, str]] = {_WIRELESS_SIMS: {"ready": "active"}}
# Not when something has settled, which follows from `Kind.pending`: an SMS has settled at `sent`,
# but may still become `delivered`.
_TERMINAL: Mapping[_Key, frozenset[str]] = {
    # Twilio docs, "Sim Resource": canceled SIMs can never connect again. Only KORE lists `deleted`.
    _WIRELESS_SIMS: frozenset({"canceled", "deleted"}),
    **{key: frozenset({"delivered", "received", "failed"}) for key in _COMMANDS},
    # KORE docs, "IPCommand Resource": there is no `delivered`, so `sent` is final.
    (Product.SUPERSIM, "ip_commands"): frozenset({"sent", "received", "failed"}),
    (Product.SUPERSIM, "esim_profiles"): frozenset({"installed", "failed"}),
}
_NO_WAY_BACK: Mapping[_Key, Mapping[str, frozenset[str]]] = {
    # Twilio docs, "Sim Resource": "A Sim resource's status can only be updated to ready if it is
    # currently new."
    _SUPER_SIMS: {
        "active": frozenset({"new", "ready"}),
        "inactive": frozenset({"new", "ready"}),
        "ready": frozenset({"new"}),
    },
    # Only Commands that devices send are ever `received`.
    **{
        key: {"queued": frozenset({"received"}), "sent": frozenset({"queued", "received"})}
        for key in _COMMANDS
    },
    # Twilio docs, "Sim Resource": `new` cannot be re-entered.
    _WIRELESS_SIMS: {
        "ready": frozenset({"new"}),
        "active": frozenset({"new"}),
        "suspended": frozenset({"new"}),
        "deactivated": frozenset({"new"}),
    },
}


# None and "" both clear a field; Twilio's own examples show either for a cleared one.
_CLEARED: Collection[Any] = (None, "")


def advances_automatically(kind: Kind[Any], start: str, targets: Collection[str]) -> bool:
    """Tell whether a settled status leads to one of the targets without another request."""
    edges = _AUTOMATIC.get((kind.product, kind.key), {})
    seen = set()
    while start in edges and start not in seen:
        seen.add(start)
        start = edges[start]
        if start in targets:
            return True
    return False


def has_passed(kind: Kind[Any], status: str, targets: Collection[str]) -> bool:
    """Tell whether a settled status proves that one of the targets was reached before.

    Only for kinds that are never updated, such as Commands: those move in one direction.
    """
    if kind.update is not None:
        return False
    pending = not kind.pending.isdisjoint(targets)
    return pending or any(advances_automatically(kind, target, {status}) for target in targets)


def is_terminal(kind: Kind[Any], status: str) -> bool:
    """Tell whether no transition leads out of a status."""
    return status in _TERMINAL.get((kind.product, kind.key), frozenset())


def is_irreversible(kind: Kind[Any], status: str) -> bool:
    """Tell whether a status is terminal, or becomes terminal by itself."""
    terminal = _TERMINAL.get((kind.product, kind.key), frozenset())
    return status in terminal or advances_automatically(kind, status, terminal)


def can_reach(kind: Kind[Any], start: str, targets: Iterable[str]) -> bool:
    """Tell whether a target may be reached from a settled status, by requests or automatically.

    With no targets any settled status will do, and `start` is one.
    """
    wanted = set(targets)
    if start in wanted or not wanted:
        return True
    if is_terminal(kind, start):
        return False
    return bool(wanted - _NO_WAY_BACK.get((kind.product, kind.key), {}).get(start, frozenset()))


def can_end_in(kind: Kind[Any], requested: str, targets: Collection[str]) -> bool:
    """Tell whether a request for a status can end in a target without a further request."""
    # Every change passes through the pending statuses, so those are valid targets.
    if requested in targets or not kind.pending.isdisjoint(targets):
        return True
    return advances_automatically(kind, requested, targets)


class GoalStatus(enum.Enum):
    """The state of a record relative to the goal."""

    PENDING = "pending"
    """A change is still pending."""
    REACHED = "reached"
    INTERMEDIATE = "intermediate"
    """Settled on the way: it proceeds to the goal without a request."""
    OFF_TARGET = "off target"
    """Settled, and not at the goal."""
    FAILED = "failed"
    """Settled in a status that means failure."""


@frozen(eq=False)
class Goal:
    """The target of a wait; shared by all waits with the same target."""

    kind: Kind[Any]
    requested: Mapping[str, Any] = field(factory=dict)
    """Keywords as sent, with names of Fleets and RatePlans already replaced by their SIDs."""
    until: frozenset[str] | None = None
    """Statuses to wait for instead of the one requested."""

    @cached_property
    def expected(self) -> Mapping[str, Any]:
        """Attribute of the record -> its value once the goal is reached."""
        compared = self.kind.compared
        return {
            compared[keyword]: value
            for keyword, value in self.requested.items()
            if keyword in compared and not (keyword == "status" and self.until is not None)
        }

    @cached_property
    def resets_connectivity(self) -> bool:
        """Whether it includes `reset_status`, whose end no status shows."""
        return "reset_status" in self.requested

    @cached_property
    def status_only(self) -> bool:
        """Whether a status alone proves that it is reached, so that a callback can, too."""
        names_status = self.until is not None or "status" in self.expected
        return names_status and set(self.expected) <= {"status"} and not self.resets_connectivity

    @property
    def changes_account(self) -> bool:
        """Whether it moves the SIM to another account, where this one can no longer read it."""
        return "account_sid" in self.requested

    @cached_property
    def targets(self) -> frozenset[str]:
        """The target statuses; empty: any settled one."""
        if self.until is not None:
            return self.until
        return frozenset({self.expected["status"]}) if "status" in self.expected else frozenset()

    @property
    def description(self) -> Mapping[str, Any]:
        """The requested change, for messages and outcomes."""
        if self.until is None:
            return self.requested
        return {**self.requested, "until": ", ".join(sorted(self.until))}

    def is_pending(self, record: Any) -> bool:
        """Tell whether a change is pending, as far as is known."""
        # An undocumented status does not prove that the SIM has settled, and neither does null,
        # which KORE's OpenAPI documents allow.
        resetting = self.resets_connectivity and record.reset_status == "resetting"
        return resetting or not self.kind.is_final(record.status)

    def shows_in_sweeps(self, record: Any) -> bool:
        """Tell whether a list filtered by known pending statuses shows the SIM until it settles."""
        return record.status in self.kind.pending or self.kind.is_final(record.status)

    def evaluate(self, record: Any) -> GoalStatus:
        """Compare a record with the goal."""
        status, until = record.status, self.until
        # A goal may name a pending status, so `until` comes before `is_pending`.
        if until is None or status not in until:
            if self.is_pending(record):
                return GoalStatus.PENDING
            if status in self.kind.failures:
                return GoalStatus.FAILED
            if until is not None and not has_passed(self.kind, status, until):
                onward = advances_automatically(self.kind, status, until)
                return GoalStatus.INTERMEDIATE if onward else GoalStatus.OFF_TARGET
            if until is not None:
                return GoalStatus.REACHED
            through = _THROUGH.get((self.kind.product, self.kind.key), {})
            if status in through and through[status] == self.expected.get("status"):
                return GoalStatus.INTERMEDIATE
        shows = self._shows(record, self.expected)
        return GoalStatus.REACHED if shows else GoalStatus.OFF_TARGET

    def was_accepted(self, record: Any) -> bool:
        """Tell whether a record proves that the request was accepted: it is pending, or applied.

        Regardless of `until`, which is reached later. False if a record cannot show the change.
        """
        compared = self.kind.compared
        shown = {compared[key]: value for key, value in self.requested.items() if key in compared}
        return self.is_pending(record) or (bool(shown) and self._shows(record, shown))

    def _shows(self, record: Any, expected: Mapping[str, Any]) -> bool:
        for name, value in expected.items():
            shown = getattr(record, name)
            if shown == value or (shown in _CLEARED and value in _CLEARED):
                continue
            # `ready` was reached and has become `active` automatically: not a failure.
            if name == "status" and shown and advances_automatically(self.kind, value, {shown}):
                continue
            return False
        return True


def reported_error(record: Any) -> tuple[int | None, str | None] | None:
    """Read the code and message of a failure from the record itself."""
    code, message = getattr(record, "error_code", None), getattr(record, "error_message", None)
    # Twilio docs, "ESimProfile Resource": its error code is a string of digits.
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else None
    return (number, message) if number is not None or message else None
