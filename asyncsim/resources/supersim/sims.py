"""Super SIM Sims."""

from __future__ import annotations

from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from typing import Any, Unpack, overload

from asyncsim import error_codes
from asyncsim.context import ClientContext
from asyncsim.errors import APIError, WrongResource
from asyncsim.http.content import make_body
from asyncsim.http.request import Request
from asyncsim.models.supersim.fleets import FLEETS
from asyncsim.models.supersim.sims import (
    SIMS,
    KnownStatus,
    Sim,
    SimFilter,
    SimRegister,
    SimUpdate,
)
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager
from asyncsim.resources.prepared import PreparedUpdate, prepare_update
from asyncsim.resources.updatable import UpdatableResource
from asyncsim.resources.update_many import Changes, UpdateMany
from asyncsim.wire import forms


def _is_iccid(asked: str, shown: str | None) -> bool:
    # Either may lack the check digit, or have the filler digit printed on the card.
    return not shown or shown.startswith(asked) or asked.startswith(shown)


class SuperSimResource(UpdatableResource[Sim]):
    """Adds the registration of SIM cards, which only Super SIM has."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context, SIMS, {"fleet": FLEETS})

    def registration(self, keywords: Mapping[str, Any]) -> Request:
        """Check a registration and build its request."""
        forms.check(SimRegister, keywords, "sims.register()")
        return self.request("POST", "register", body=make_body(forms.encode(SimRegister, keywords)))

    async def send_registration(self, request: Request, iccid: str) -> Sim:
        """Send a registration; a repeated one is a success."""
        try:
            sim = self.decode_accepted(await self.send(request), "")
        except APIError as error:
            if error.code != error_codes.ALREADY_REGISTERED:
                raise
            for found in await self.list({"iccid": iccid}):
                if _is_iccid(iccid, found.iccid):
                    return found
            raise
        if not _is_iccid(iccid, sim.iccid):
            wrong = WrongResource(f"with ICCID {iccid}", f"{sim.sid} with ICCID {sim.iccid}")
            wrong.outcome_unknown = True
            raise wrong
        return sim


class Sims(Verbs[SuperSimResource]):
    """`client.supersim.sims`. Source: Twilio docs, "Sim Resource" (Super SIM)."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(SuperSimResource(context))

    async def fetch(self, sid: str, /) -> Sim:
        """Fetch a Sim by SID or unique name; `NotFound` if the account has no such Sim."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def register(self, **keywords: Unpack[SimRegister]) -> Sim:
        """Add a Super SIM to the account; one registered before is returned.

        `BadRequest` with 83002 when it cannot be registered. Source: "Register a Super SIM to your
        Account".
        """
        request = self.resource.registration(keywords)
        return await self.resource.send_registration(request, keywords["iccid"])

    @expand_keywords
    async def update(self, sid: str, /, **changes: Unpack[SimUpdate]) -> Sim:
        """Send a change and return the Sim from the response, usually pending.

        If the response is lost, the Sim is read before anything is resent. `Conflict` while
        another update of this Sim is pending; `BadRequest` with the vendor's code for a change
        that the vendor does not allow.
        """
        return await self.resource.update(sid, changes)

    async def await_transition(
        self,
        sim: Sim | str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
    ) -> Sim:
        """Wait until a Sim (or SID) has settled, and return it.

        The target is `until`, else this client's last change of it, else any
        settled status. `timeout` is in seconds, `Watching.timeout` unless given. Raises
        `TransitionFailed` when it settles in another status, `TransitionTimeout` at the deadline,
        `UnreachableStatus` when no path leads there.
        """
        return await self.resource.await_transition(sim, until, timeout)

    @expand_keywords
    async def update_and_wait(
        self,
        sid: str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **changes: Unpack[SimUpdate],
    ) -> Sim:
        """Send a change and return the settled Sim; raises what `update`, `await_transition` raise.

        `timeout` counts from the moment the change was accepted.
        """
        return await self.resource.update_and_wait(sid, changes, until, timeout)

    @expand_keywords
    async def prepare_update(
        self,
        sid: str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **changes: Unpack[SimUpdate],
    ) -> PreparedUpdate[Sim]:
        """Check a change without sending it; its `.token` lets any process finish the wait.

        Reads the Sim, so that a change without trace can be recognised. Store the token, then
        `await prepared.send()` and `await prepared`. `timeout` counts from now. Raises what
        `update_and_wait` raises before it sends anything; `ValueError` if the token would have more
        than 300 characters.
        """
        return await prepare_update(self.resource, sid, changes, until, timeout)

    @expand_keywords
    async def start_update(
        self,
        sid: str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **changes: Unpack[SimUpdate],
    ) -> PreparedUpdate[Sim]:
        """Prepare a change and send it; await the result for the settled Sim.

        A process that dies in between leaves no token: store one between `prepare_update` and
        `send` if the wait must survive that.
        """
        prepared = await prepare_update(self.resource, sid, changes, until, timeout)
        await prepared.send()
        return prepared

    # Two overloads, because mypy cannot infer a literal dict against a union of iterables.
    @overload
    def update_many(
        self,
        changes: Mapping[str, SimUpdate],
        /,
        *,
        window: int = ...,
        timeout: float | None = ...,
        progress: bool = ...,
    ) -> UpdateMany[Sim]: ...
    @overload
    def update_many(
        self,
        changes: Iterable[tuple[str, SimUpdate]] | AsyncIterable[tuple[str, SimUpdate]],
        /,
        *,
        window: int = ...,
        timeout: float | None = ...,
        progress: bool = ...,
    ) -> UpdateMany[Sim]: ...
    def update_many(
        self,
        changes: Changes[SimUpdate],
        /,
        *,
        window: int = 1000,
        timeout: float | None = None,
        progress: bool = False,
    ) -> UpdateMany[Sim]:
        """Change many Sims; iterate over the result for an `Outcome` each, as they settle.

        `changes` is a mapping, or any iterable or async iterable of (SID, keywords of `update`),
        read lazily: at most `window` Sims are between input and outcome. `timeout` is for each.
        Nothing is raised for a single Sim; its outcome has the error. `progress` displays it: in
        the notebook's cell, live on a terminal, or as lines on stderr.
        """
        return UpdateMany(self.resource, changes, window=window, timeout=timeout, progress=progress)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[SimFilter]
    ) -> Pager[Sim]:
        """List Sims: `await` for the first page, `async for` for all, `.pages()` for pages.

        By `iccid` it is a list of at most one.
        """
        return self.resource.list(filters, bad, limit)
