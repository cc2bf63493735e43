"""Webhooks."""

from __future__ import annotations

from asyncsim.context import Connection
from asyncsim.resources.webhooks.secrets import Secrets


class Webhooks:
    """`client.webhooks`; `Unsupported` at Twilio, which signs with the auth token."""

    def __init__(self, connection: Connection) -> None:
        self.secrets = Secrets(connection)
