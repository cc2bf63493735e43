"""One request that is done when it is answered: a registration, a deletion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from asyncsim.context import ClientContext
from asyncsim.http.request import Request
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.piece import NO_LOG, Host, Log, Stoppable

T = TypeVar("T")


class Single(Stoppable, Generic[T]):
    """Ends in one call of the host's `settle`; there is nothing to wait for after the answer."""

    def __init__(
        self,
        context: ClientContext,
        name: str,
        given: Mapping[str, Any],
        host: Host[T],
        *,
        request: Callable[[], Request],
        send: Callable[[Request], Awaitable[T | None]],
        log: Log = NO_LOG,
    ) -> None:
        super().__init__()
        self.name = name
        self.given = given
        self._host = host
        self._build = request
        self._send = send
        self._log = log
        self._clock = context.clock
        self._started = self._clock.now()

    async def run(self) -> None:
        """Send it and report its end."""
        try:
            self._request = request = self._build()
            await self._log.before()
            record = await self._send(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            if not self._closed:  # else it stays unfinished: nobody tried for long enough to say
                self._end(None, error)
        else:
            self._end(record, None)

    def _end(self, record: T | None, error: Exception | None) -> None:
        self._host.settle(
            Outcome(
                sid=self.name,
                requested=self.given,
                sim=record,
                error=error,
                settled_by=None if error else "answer",
                confirmed=error is None,
                requests=self._request.attempts if self._request is not None else 0,
                seconds=self._clock.now() - self._started,
            )
        )

    def abandon(self) -> None:
        """Nothing is awaited."""
