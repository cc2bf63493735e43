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
    ├── DecodeError               a response that is not what the documents promise
    │   └── WrongResource           about another SIM than the one asked for
    ├── TransitionError           a change was accepted, or requested, and did not work out
    │   ├── TransitionTimeout       also a TimeoutError; `.last` is the last state seen
    │   ├── TransitionFailed        settled in another status than requested
    │   ├── TargetForgotten         changed so long ago that `until=` has to be given
    │   └── UnreachableStatus       no path leads there; nothing was sent
    ├── OutcomeUnknown            a create whose response was lost
    ├── ClientClosed              the client was closed first; `.sent`: a change had been sent
    ├── QueueTimeout              no slot in time; nothing was sent; also a TimeoutError
    ├── ConfigurationError
    ├── Unsupported
    ├── ReceiverError             the callback listener cannot do its work
    │   └── SignatureError          a callback that did not come from the vendor
    ├── JournalError              a job's journal cannot be used
    └── JobError                  a bulk job cannot be run as it stands; nothing was sent
        ├── JobStopped              it was stopped while its input was read
        └── NotConfirmed            it is irreversible, and the number of SIMs was not confirmed

An error stores its parts and words itself in `__str__`: what was requested for which SIM, what came
back, what to do next. None ever holds a secret. Misuse that Python has its own errors for keeps
them: an unknown keyword is a `TypeError`, a value outside its set a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAX_SHOWN = 20  # problems in a message: more scroll off a screen; all are in `problems`
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
    """True when it ended a change that may have been carried out all the same."""

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
    """No response came, so whether the server did anything is unknown, unless `sent` is False."""

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

    `status` is the HTTP status, `code` the vendor's own (20404, 83007, ...; None where the
    response had none), `request_id` what their support asks for. `retry_after`: seconds that the
    response asked to wait; None where it did not, 0 where that moment had passed.
    """

    advice = ""
    retry_after: float | None = None  # journals of earlier versions hold errors without it

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
    """The request cannot be carried out as it stands (400 and other 4xx)."""


class AuthenticationError(APIError):
    """The credentials were rejected (401)."""

    advice = "check the account SID or client id and its secret"


class PermissionDenied(APIError):
    """The credentials are valid, but not for this (403)."""


class NotFound(APIError):
    """No such resource in this account (404)."""


class Conflict(APIError):
    """Another update of the same SIM is still in progress (409; 33010, 83009, 83010)."""

    advice = "wait with await_transition(): what it returns shows whether a change is still needed"


class RateLimited(APIError):
    """Throttled: too many requests in flight (429); not processed, always safe to retry."""


class ServerError(APIError):
    """The vendor, or a gateway before it, failed (5xx, 408, 421, 425).

    Whether the request was carried out is unknown, but for 421 and 425, where it was not.
    """


class DecodeError(AsyncSimError):
    """A response was not what the documents promise: not JSON, a missing field, a bad date.

    `sid` is that of the record which cannot be read, None where the response names none.
    `accepted` is the SID of the SIM whose change was accepted by the very response that could not
    be read; None when it was no such response.
    """

    sid: str | None = None  # of errors that an older version has stored, too
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

    Of a change, the outcome is unknown then; it is not retried.
    """

    def __init__(self, asked: str, received: str, *, noun: str = "Sim") -> None:
        reason = f"the response is about {received}, not about {asked}"
        super().__init__(f"{noun} {asked}", reason, sid=asked)
        self.asked = asked
        self.received = received


def _described(requested: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in requested.items()) or "a settled status"


class TransitionError(AsyncSimError):
    """A change did not work out; `sid` and `requested` say which."""

    def __init__(self, sid: str, requested: Mapping[str, Any], message: str = "") -> None:
        super().__init__(message)
        self.sid = sid
        self.requested = dict(requested)


class TransitionTimeout(TransitionError, TimeoutError):
    """The wait's deadline passed; the change may still complete later.

    `last` is the record as last read (just before giving up), None if no read succeeded; `status`
    the status last seen, also where its record was not kept. `refused`: the vendor did not accept
    this change, because of another one that was still running at the deadline.
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
    the callback, where there was one (Programmable Wireless only).
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
        return f"{text}; find out why, and fetch it before you change it again"


class UnreachableStatus(TransitionError):
    """No path of the transition graph leads to the target; nothing was sent."""

    def __init__(self, sid: str, requested: Mapping[str, Any], start: str | None = None) -> None:
        super().__init__(sid, requested)
        self.start = start

    def __str__(self) -> str:
        where = f" from {self.start!r}" if self.start else ""
        return f"{self.sid} can never reach {_described(self.requested)}{where}; nothing was sent"


class TargetForgotten(TransitionError):
    """This client has changed so many other SIMs since that it no longer knows the target."""

    def __init__(self, sid: str) -> None:
        super().__init__(sid, {})

    def __str__(self) -> str:
        text = f"{self.sid}: this client has made too many changes since to remember its target;"
        return f"{text} say what to wait for: await_transition(..., until=...)"


class OutcomeUnknown(AsyncSimError):
    """A create was sent and its response lost, so it may or may not exist. It is never retried.

    `look` says how to find out.
    """

    def __init__(self, asked: str, look: str) -> None:
        super().__init__(asked)
        self.asked = asked
        self.look = look

    def __str__(self) -> str:
        return f"{self.asked}: sent, but no readable response came; {self.look}"


class QueueTimeout(AsyncSimError, TimeoutError):
    """No slot came free within `Timeout.queue`; nothing was sent, unless `sent`.

    With `retry_after` the vendor has asked all requests to pause, for that many seconds from now,
    which is longer than this call may take: then it is raised at once.
    """

    retry_after: float | None = None

    def __init__(
        self, asked: str, seconds: float, *, sent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(asked)
        self.asked = asked
        self.seconds = seconds
        self.sent = sent
        """True when an earlier attempt may have been carried out without our knowing."""
        self.retry_after = retry_after

    def __str__(self) -> str:
        state = "an earlier attempt may have been carried out" if self.sent else "nothing was sent"
        if self.retry_after is not None:
            pause = f"the server asks all requests for a pause of {self.retry_after:,.10g} s"
            return f"{self.asked}: {pause}, longer than this call may wait; {state}"
        return (
            f"{self.asked}: no slot came free within {self.seconds:g} s, {state};"
            " send fewer at once or raise Timeout(queue=...)"
        )


class ClientClosed(AsyncSimError):
    """The client was closed before this ended, or even before it began.

    `sent`: whether a change had been sent, which the vendor then goes on with; False also for
    what changes nothing. `last`: the record as last seen by a wait, else None. `look`: how to find
    out what became of a create.
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
        state = "no change had been sent: make a new client"
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
    """The callback listener cannot do its work: port in use, no public URL, ..."""


class SignatureError(ReceiverError):
    """A callback's signature or ticket is wrong: it did not come from the vendor."""


class JournalError(AsyncSimError):
    """A job's journal cannot be used: another job's, in use, not writable, disk full, ..."""


class JobError(AsyncSimError):
    """A bulk job cannot be run as it stands; nothing was sent.

    `problems` has all that was found, one line each, with line numbers of the input.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join((self.message, *self.problems[:_MAX_SHOWN]))


class JobStopped(JobError):
    """A bulk job was stopped before its input was read to the end: run it again from the start."""


class NotConfirmed(JobError):
    """The change is irreversible; `count` is the number of SIMs to confirm."""

    def __init__(self, what: str, count: int, confirmed: int | None) -> None:
        super().__init__(what)
        self.count = count
        self.confirmed = confirmed

    def __str__(self) -> str:
        given = "" if self.confirmed is None else f", but {self.confirmed:,} were confirmed"
        return (
            f"{self.message}, which is irreversible: {self.count:,} SIMs{given}; nothing was sent:"
            f" confirm exactly {self.count}"
        )
