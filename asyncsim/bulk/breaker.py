"""The circuit breaker: a job stops when the vendor rejects many SIMs in a row in the same way."""

from __future__ import annotations

from collections.abc import Mapping

from asyncsim.bulk.records import Ending, State
from asyncsim.errors import APIError, JobError, PermissionDenied, TransitionFailed

# What to check, by the vendors' codes (Twilio docs, "Error and Warning Dictionary").
_CHECKS: Mapping[int, str] = {
    83002: "whether these cards can be registered, and their registration codes",
    83006: "whether that Fleet exists in this account",
    83007: "whether the SIMs have a Fleet: activate them with one (--fleet, or a column fleet)",
    83008: "whether the Fleet can stay: it cannot be removed while a SIM is ready or active",
    83010: "the status of the SIMs: the target cannot be reached from it",
    83011: "the unique names: other SIMs have them",
    33104: "whether the SIMs have a rate plan: activate them with one (--rate-plan, or a column"
    " rate_plan)",
    33105: "the status of the SIMs, and whether they fit the rate plan",
    33108: "whether that rate plan exists in this account",
    33122: "the rate plan: SIMs cannot be activated with it",
    33201: "whether the account is suspended, and may use this rate plan or account",
}
_PERMISSIONS = "the permissions of these credentials"
_CARRIED_OUT = "one of the SIMs in the vendor's console: changes are accepted and not carried out"
_OTHER = "the change and one of the SIMs, in the vendor's console or with its support"


def what_to_check(error: Exception) -> str:
    """Return what a person should check before the job continues."""
    code = error.code if isinstance(error, APIError) else getattr(error, "error_code", None)
    if code is not None and code in _CHECKS:
        return _CHECKS[code]
    if isinstance(error, PermissionDenied):
        return _PERMISSIONS
    return _CARRIED_OUT if isinstance(error, TransitionFailed) else _OTHER


class CircuitBreaker:
    """Trips when `most` SIMs in a row were rejected in the same way; None: never.

    "In a row" is the order in which responses and outcomes arrive. The two are counted separately:
    thousands of accepted SIMs settle minutes later, so all of the first that end may be rejected
    ones.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._rejected = _Streak()
        self._failed = _Streak()

    def accepted(self) -> None:
        """Count an accepted request: the vendor does not reject all of them."""
        self._rejected = _Streak()

    def ended(self, ending: Ending) -> bool:
        """Count the end of a row; True if the breaker trips."""
        error = ending.error
        if ending.state is State.DONE:
            self._failed = _Streak()
        # A row without a response is not a rejection, nor is a 429: both are transient.
        if ending.state is not State.FAILED or error is None or isinstance(error, JobError):
            return False
        streak = self._failed if isinstance(error, TransitionFailed) else self._rejected
        return streak.add(_kind_of(error)) == self._most


class _Streak:
    """Identical rejections in a row."""

    def __init__(self) -> None:
        self._kind: object = None
        self._count = 0

    def add(self, kind: object) -> int:
        """Count one more; returns how many there are in a row."""
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        return self._count


def _kind_of(error: Exception) -> object:
    """Return what identical rejections have in common; messages differ, as they name the SIM."""
    if isinstance(error, APIError):
        return type(error), error.status, error.code
    if isinstance(error, TransitionFailed):
        return type(error), getattr(error.actual, "status", None), error.error_code
    return type(error)
