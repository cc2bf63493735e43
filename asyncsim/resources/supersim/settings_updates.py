"""Over-the-air settings updates of Super SIMs."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.settings_updates import (
    SETTINGS_UPDATES,
    SettingsUpdate,
    SettingsUpdateFilter,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class SettingsUpdates(Verbs[Resource[SettingsUpdate]]):
    """`client.supersim.settings_updates`.

    Source: Twilio docs, "SettingsUpdate Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, SETTINGS_UPDATES))

    @expand_keywords
    def list(
        self,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[SettingsUpdateFilter],
    ) -> Pager[SettingsUpdate]:
        """List SettingsUpdates; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)
