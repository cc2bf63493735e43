"""Every error this package raises on purpose.

::

    AsyncSimError
    ├── TransportError            no response came
    │   ├── ConnectionFailed        never reached the server, or lost it
    │   └── RequestTimeout          also a TimeoutError
    ├── APIError                  the vendor responded with an error
    │   ├── BadRequest              400 and other 4xx
    │   ├── AuthenticationError     401, and credentials the token endpoint rejects
    │   ├── PermissionDenied        401 or 403 of one resource, while others can be read
    │   ├── NotFound                404
    │   ├── Conflict                409, or 33010, 83009, 83010 while an update is pending
    │   ├── RateLimited             429
    │   └── ServerError             5xx, 408, 421, 425
    ├── DecodeError               a response that does not match the vendor's documents
    │   └── WrongResource           about a SIM other than the one requested
    ├── TransitionError           a change did not reach its target
    │   ├── TransitionTimeout       also a TimeoutError; `.last` is the last state seen
    │   ├── TransitionFailed        settled in a status other than the requested one
    │   ├── TargetForgotten         the change is no longer remembered: pass `until=`
    │   └── UnreachableStatus       no path leads there; nothing was sent
    ├── OutcomeUnknown            a create whose response was lost
    ├── ClientClosed              the client was closed first; `.sent`: a change was sent
    ├── QueueTimeout              no slot in time; nothing was sent; also a TimeoutError
    ├── ConfigurationError
    ├── Unsupported
    ├── ReceiverError             the callback receiver cannot work
    │   └── SignatureError          a callback that did not come from the vendor
    ├── JournalError              a job's journal cannot be used
    └── JobError                  a bulk job cannot run as it is; nothing was sent
        ├── JobStopped              stopped while reading its input
        └── NotConfirmed            irreversible, and the number of SIMs was not confirmed

Two more are in `asyncsim.wait_errors`: `PerhapsNeverSent`, a `TransitionTimeout`, and `TokenError`.
An error stores its parts, and `__str__` builds the message: what was requested for which SIM, the
response, what to do next. None ever holds a secret. Misuse raises Python's own errors:
`TypeError` for an unknown keyword, `ValueError` for an invalid value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAX_SHOWN = 20  # problems shown in a message, about a screenful; all are in `problems`
_UNKNOWN = (
    "; the outcome of the change is unknown, it may have been carried out: a fetch shows the state,"
    " await_transition() waits for it"
)


def _restore(cls: type[AsyncSimError], parts: dict[str, Any]) -> AsyncSimError:
    error = cls.__new__(cls)
    error.__dict__.update(parts)
    return error


class AsyncSimError(Exception):
    """Base of all errors of this package."""

    outcome_unknown = False
    """True if the change may have been carried out despite the error."""

    def __init__(self, message: str = "") -> None:
        # Exception.__init__ by name: in the classes that are also TimeoutError, OSError's own
        # would take two arguments for an errno and its text.
        Exception.__init__(self, message)
        self.message = message

    def __str__(self) -> str:
        return self.message + _UNKNOWN if self.outcome_unknown else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with `args`, which lack the keyword parts.
        return _restore, (type(self), self.__dict__)


class TransportError(AsyncSimError):
    """No response came: unless `sent` is False, the outcome is unknown."""

    def __init__(self, asked: str, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.asked = asked
        self.reason = reason
        self.sent = sent
        """False when the request certainly never reached the server."""

    def __str__(self) -> str:
        end = "" if self.sent else "; nothing was sent"
        return f"{self.asked}: {self.reason}{_UNKNOWN if self.outcome_unknown else end}"


class ConnectionFailed(TransportError):
    """The server could not be reached, or the connection was lost before the response."""


class RequestTimeout(TransportError, TimeoutError):
    """One request took longer than `Timeout.request` or `Timeout.connect`."""


class APIError(AsyncSimError):
    """The vendor responded with an error.

    `status` is the HTTP status, `code` the vendor's own (20404, 83007, ...; None if the
    response had none), `request_id` what their support asks for. `retry_after`: seconds that the
    response asked us to wait; None if it did not, 0 if that moment had passed.
    """

    advice = ""
    retry_after: float | None = None  # journals of earlier versions store errors without it

    def __init__(
        self,
        status: int,
        code: int | None = None,
        message: str = "",
        more_info: str | None = None,
        request_id: str | None = None,
        *,
        asked: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more_info = more_info
        self.request_id = request_id
        self.asked = asked
        self.retry_after = retry_after

    def __str__(self) -> str:
        code = f", code {self.code}" if self.code is not None else ""
        text = f"{self.asked}: " if self.asked else ""
        text += f"{self.message or 'no message'} (HTTP {self.status}{code})"
        pause = self.retry_after and f"the server asks for a pause of {self.retry_after:,.10g} s"
        request_id = self.request_id and f"request {self.request_id}"
        for part in (self.advice, pause, self.more_info, request_id):
            if part:
                text += f"; {part}"
        return text + _UNKNOWN if self.outcome_unknown else text


class BadRequest(APIError):
    """The request is invalid (400 and other 4xx)."""


class AuthenticationError(APIError):
    """The credentials were rejected (401)."""

    advice = "check the account SID or client id and its secret"


class PermissionDenied(APIError):
    """The credentials are valid, but lack this permission (403)."""


class NotFound(APIError):
    """No such resource in this account (404)."""


class Conflict(APIError):
    """Another update of the same SIM is still in progress (409; 33010, 83009, 83010)."""

    advice = "wait with await_transition(): its record shows whether a change is still needed"


class RateLimited(APIError):
    """Throttled: too many requests in flight (429); not processed, always safe to retry."""


class ServerError(APIError):
    """The vendor, or a gateway in front of it, failed (5xx, 408, 421, 425).

    The outcome is unknown, except for 421 and 425, where nothing was carried out.
    """


class DecodeError(AsyncSimError):
    """A response does not match the vendor's documents: not JSON, a missing field, a bad date.

    `sid` is the SID of the unreadable record, None if the response has none. `accepted` is the SID
    of the SIM whose change this response accepted, although it cannot be read; else None.
    """

    sid: str | None = None  # also for errors stored by an older version
    accepted: str | None = None

    def __init__(
        self, what: str, reason: str, *, sid: str | None = None, accepted: str | None = None
    ) -> None:
        super().__init__(reason)
        self.what = what
        self.reason = reason
        self.sid = sid
        self.accepted = accepted

    def __str__(self) -> str:
        text = f"cannot read {self.what}: {self.reason}"
        if (sid := self.accepted) is not None:
            then = f"a fetch shows its state, and await_transition({sid!r}) waits for a SIM"
            return f"{text}; the change of {sid} was accepted: {then}"
        return text + _UNKNOWN if self.outcome_unknown else text


class WrongResource(DecodeError):
    """The response is about another resource (`received`) than the one `asked` for; both are SIDs.

    If it was a change, its outcome is unknown, and it is not retried.
    """

    def __init__(self, asked: str, received: str, *, noun: str = "Sim") -> None:
        reason = f"the response is about {received}, not about {asked}"
        super().__init__(f"{noun} {asked}", reason, sid=asked)
        self.asked = asked
        self.received = received


def _described(requested: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in requested.items()) or "a settled status"


class TransitionError(AsyncSimError):
    """A change did not reach its target; `sid` and `requested` identify it."""

    def __init__(self, sid: str, requested: Mapping[str, Any], message: str = "") -> None:
        super().__init__(message)
        self.sid = sid
        self.requested = dict(requested)


class TransitionTimeout(TransitionError, TimeoutError):
    """The wait's deadline passed; the change may still complete later.

    `last` is the record as last read (just before giving up), None if no read succeeded; `status`
    is the last status seen, even if its record was not kept. `refused`: the vendor did not accept
    this change, because another one was still in progress at the deadline.
    """

    def __init__(
        self,
        sid: str,
        requested: Mapping[str, Any],
        last: Any,
        seconds: float,
        *,
        status: str | None = None,
        refused: APIError | None = None,
    ) -> None:
        super().__init__(sid, requested)
        self.refused = refused
        self.last = last
        self.seconds = seconds
        self.status: str | None = getattr(last, "status", None) or status

    def __str__(self) -> str:
        wanted = _described(self.requested)
        seen = "never read" if self.last is None else "last seen without a status"
        if self.status is not None:
            seen = f"last seen {self.status!r}"
        if self.refused is not None:
            busy = f"another change was still in progress after {self.seconds:g} s, {seen}"
            return f"{self.sid}: {busy}; the vendor did not accept {wanted}: {self.refused}"
        return (
            f"{self.sid} did not reach {wanted} within {self.seconds:g} s, {seen};"
            " the vendor may still finish it: call await_transition() again to keep waiting"
        )


class TransitionFailed(TransitionError):
    """The SIM settled, but not in the requested status.

    `actual` is the record it settled as; `error_code` and `error_message` are the vendor's, from
    the callback, if there was one (Programmable Wireless only).
    """

    def __init__(
        self,
        sid: str,
        requested: Mapping[str, Any],
        actual: Any,
        error_code: int | None = None,
        error_message: str | None = None,
    ) -> None:
        super().__init__(sid, requested)
        self.actual = actual
        self.error_code = error_code
        self.error_message = error_message

    def __str__(self) -> str:
        status, wanted = getattr(self.actual, "status", None), _described(self.requested)
        text = f"{self.sid} should have reached {wanted}, but settled as {status!r}"
        if self.error_code is not None or self.error_message:
            code = f" (code {self.error_code})" if self.error_code is not None else ""
            text += f": {self.error_message or 'no message'}{code}"
        return f"{text}; find the cause, and fetch the SIM before you change it again"


class UnreachableStatus(TransitionError):
    """No path of the transition graph leads to the target; nothing was sent."""

    def __init__(self, sid: str, requested: Mapping[str, Any], start: str | None = None) -> None:
        super().__init__(sid, requested)
        self.start = start

    def __str__(self) -> str:
        where = f" from {self.start!r}" if self.start else ""
        return f"{self.sid} can never reach {_described(self.requested)}{where}; nothing was sent"


class TargetForgotten(TransitionError):
    """This client has changed so many SIMs since then that it no longer remembers the target."""

    def __init__(self, sid: str) -> None:
        super().__init__(sid, {})

    def __str__(self) -> str:
        text = f"{self.sid}: this client has made too many changes since to remember its target;"
        return f"{text} pass what to wait for: await_transition(..., until=...)"


class OutcomeUnknown(AsyncSimError):
    """A create was sent and its response lost: it may or may not exist. It is never retried.

    `look` says how to find out.
    """

    def __init__(self, asked: str, look: str) -> None:
        super().__init__(asked)
        self.asked = asked
        self.look = look

    def __str__(self) -> str:
        return f"{self.asked}: sent, but no readable response came; {self.look}"


class QueueTimeout(AsyncSimError, TimeoutError):
    """No slot was free within `Timeout.queue`; nothing was sent, unless `sent`.

    With `retry_after`, the vendor asked all requests to pause for that many seconds from now,
    longer than this call may wait, so it is raised at once.
    """

    retry_after: float | None = None

    def __init__(
        self, asked: str, seconds: float, *, sent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(asked)
        self.asked = asked
        self.seconds = seconds
        self.sent = sent
        """True if an earlier attempt may have been carried out; its response was lost."""
        self.retry_after = retry_after

    def __str__(self) -> str:
        state = "an earlier attempt may have been carried out" if self.sent else "nothing was sent"
        if self.retry_after is not None:
            pause = f"the server asks all requests for a pause of {self.retry_after:,.10g} s"
            return f"{self.asked}: {pause}, longer than this call may wait; {state}"
        return (
            f"{self.asked}: no slot was free within {self.seconds:g} s, {state};"
            " send fewer at once or raise Timeout(queue=...)"
        )


class ClientClosed(AsyncSimError):
    """The client was closed before this call ended or began.

    `sent`: whether a change had been sent, which the vendor may still carry out; False also for
    calls that change nothing. `last`: the record last seen by a wait, else None. `look`: how to
    find out whether a create was carried out.
    """

    def __init__(
        self, asked: str = "", *, sent: bool = False, last: Any = None, look: str = ""
    ) -> None:
        super().__init__(asked)
        self.asked = asked
        self.sent = sent
        self.last = last
        self.look = look

    def __str__(self) -> str:
        status = getattr(self.last, "status", None)
        seen = f", last seen {status!r}" if status else ""
        state = "no change had been sent: create a new client, or `await asyncsim.connect()`"
        if self.sent:
            how = self.look or "await_transition() of a new client shows its outcome"
            state = f"the change had been sent and may be carried out: {how}"
        asked = f"{self.asked}: " if self.asked else ""
        return f"{asked}the client was closed{seen}; {state}"


class ConfigurationError(AsyncSimError):
    """Settings that are missing, wrong, or cannot be combined."""


class Unsupported(AsyncSimError):
    """This vendor documents no such API."""


class ReceiverError(AsyncSimError):
    """The callback receiver cannot work: port in use, no public URL, ..."""


class SignatureError(ReceiverError):
    """A callback's signature or ticket is wrong: it did not come from the vendor."""


class JournalError(AsyncSimError):
    """A job's journal cannot be used: another job's, in use, not writable, disk full, ..."""


class JobError(AsyncSimError):
    """A bulk job cannot run as it is; nothing was sent.

    `problems` lists all problems found, one line each, with line numbers of the input.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join((self.message, *self.problems[:_MAX_SHOWN]))


class JobStopped(JobError):
    """A bulk job was stopped before its input was read completely: run it again from the start."""


class NotConfirmed(JobError):
    """The change is irreversible, or costs money; `count` is the number of SIMs to confirm."""

    def __init__(self, what: str, count: int, confirmed: int | None) -> None:
        super().__init__(what)
        self.count = count
        self.confirmed = confirmed

    def __str__(self) -> str:
        given = "" if self.confirmed is None else f", but {self.confirmed:,} were confirmed"
        return (
            f"{self.message}: {self.count:,} SIMs{given}; nothing was sent: confirm exactly"
            f" {self.count}"
        )
