"""Webhooks."""

from __future__ import annotations

from asyncsim.context import ClientContext
from asyncsim.resources.webhooks.secrets import Secrets


class Webhooks:
    """`client.webhooks`; `Unsupported` at Twilio, which signs with the auth token."""

    def __init__(self, context: ClientContext) -> None:
        self.secrets = Secrets(context)
