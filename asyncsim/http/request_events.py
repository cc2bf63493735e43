"""Events of one client's requests: start, end, retry, a lowered limit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from asyncsim.errors import TransportError
from asyncsim.events import (
    LimitChanged,
    Observer,
    RequestFinished,
    RequestRetried,
    RequestStarted,
    notify,
)
from asyncsim.http.limiter import ConcurrencyLimiter
from asyncsim.http.request import Request
from asyncsim.http.transport import Response


class RequestEvents:
    """Builds the events, if there are observers, and notifies them."""

    def __init__(
        self,
        vendor: str,
        observers: Sequence[Observer],
        limiter: ConcurrencyLimiter,
        now: Callable[[], float],
    ) -> None:
        self._vendor = vendor
        self._observers = observers
        self._limiter = limiter
        self._now = now

    async def exchange(
        self,
        request: Request,
        work: Coroutine[Any, Any, Response | None],
        failure: Callable[[], Exception | None],
    ) -> Response | None:
        """Await one attempt between its two events; `failure` says why it returns None."""
        operation = f"{request.method} {request.template}"
        started = RequestStarted(
            vendor=self._vendor,
            product=request.product,
            operation=operation,
            method=request.method,
            path=request.path,
            host=request.origin.host or "",
            port=request.origin.port,
            attempt=request.attempts + 1,
            request=id(request),
        )
        notify(self._observers, started)
        began, response = self._now(), None
        error: BaseException | None = None
        try:
            response = await work
        except BaseException as raised:
            error = raised
            raise
        finally:
            lost = error or (failure() if response is None else None)
            finished = RequestFinished(
                vendor=self._vendor,
                product=request.product,
                operation=operation,
                method=request.method,
                path=request.path,
                status=None if response is None else response.status,
                seconds=self._now() - began,
                attempt=request.attempts,
                error=_reason(lost),
                error_type=None if lost is None else type(lost).__name__,
                limit=self._limiter.limit.value,
                in_flight=self._limiter.limit.in_flight,
                request=id(request),
            )
            notify(self._observers, finished)
        return response

    def retried(self, request: Request, delay: float, error: Exception) -> None:
        """Report that a request will be retried."""
        if self._observers:
            event = RequestRetried(
                vendor=self._vendor,
                product=request.product,
                operation=f"{request.method} {request.template}",
                method=request.method,
                path=request.path,
                attempt=request.attempts,
                delay=delay,
                reason=str(error),
            )
            notify(self._observers, event)

    def limit_lowered(self) -> None:
        """Report that a 429 has lowered the limit."""
        if self._observers:
            limit = self._limiter.limit
            event = LimitChanged(vendor=self._vendor, limit=limit.value, in_flight=limit.in_flight)
            notify(self._observers, event)


def _reason(lost: BaseException | None) -> str | None:
    if lost is None:
        return None
    # Messages of other errors may quote what a server sent.
    return lost.reason if isinstance(lost, TransportError) else type(lost).__name__
