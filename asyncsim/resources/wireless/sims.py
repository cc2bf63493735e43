"""Programmable Wireless Sims."""

from __future__ import annotations

from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from typing import Unpack, overload

from asyncsim.context import ClientContext
from asyncsim.models.monitor.events import SimEvent
from asyncsim.models.wireless.rate_plans import RATE_PLANS
from asyncsim.models.wireless.sims import SIMS, KnownStatus, Sim, SimFilter, SimUpdate
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.monitor.events import Events
from asyncsim.resources.names import check_name
from asyncsim.resources.pages import OnBad, Pager
from asyncsim.resources.prepared import PreparedUpdate, prepare_update
from asyncsim.resources.updatable import UpdatableResource
from asyncsim.resources.update_many import Changes, UpdateMany
from asyncsim.resources.wireless.history import sim_event


class Sims(Verbs[UpdatableResource[Sim]]):
    """`client.wireless.sims`. Source: KORE docs, "Wireless Sim Resource"."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(UpdatableResource(context, SIMS, {"rate_plan": RATE_PLANS}))

    async def fetch(self, sid: str, /) -> Sim:
        """Fetch a Sim by SID or unique name; `NotFound` if the account has no such Sim."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def update(self, sid: str, /, **changes: Unpack[SimUpdate]) -> Sim:
        """Send a change and return the Sim from the response, usually pending.

        If the response is lost, the Sim is read before anything is resent. `Conflict` while
        another update of this Sim is pending; `BadRequest` with the vendor's code for a change
        that the vendor does not allow.
        """
        return await self.resource.update(sid, changes)

    async def delete(self, sid: str, /) -> None:
        """Delete a Sim; `Conflict` if its status does not allow that."""
        await self.resource.delete(sid)

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

    def history(self, sid: str, /, *, bad: OnBad = "raise") -> Pager[SimEvent]:
        """List changes of a Sim's status or RatePlan: previous and updated value, date and source.

        From Monitor, which keeps events for 30 days; `Unsupported` at KORE, which documents no
        such API, unless `hosts.monitor` is set.
        """
        if not self.kind.is_sid(check_name(self.kind, sid)):
            raise ValueError(f"history() takes a SID (DE and 32 hex digits), not {sid!r}")
        events = Events(self.resource.context)
        listed = events.list(bad=bad, resource_sid=sid, page_size=events.kind.page_size_limit)
        found = listed.map(sim_event, model=SimEvent)
        # The trail also holds the SIM's connections, which change neither.
        return found.where(lambda one: bool(one.status or one.rate_plan_sid))

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[SimFilter]
    ) -> Pager[Sim]:
        """List Sims: `await` for the first page, `async for` for all, `.pages()` for pages.

        By `iccid` it is a list of at most one.
        """
        return self.resource.list(filters, bad, limit)
