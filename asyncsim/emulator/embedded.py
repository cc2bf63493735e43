"""The emulator for users of this package: it also builds the client that talks to it.

The one module of the emulator that may import the client, and only to build it: the two sides may
not agree by sharing a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Unpack

from asyncsim.emulator.emulator import Emulation
from asyncsim.vendors import EmulatorCredentials

if TYPE_CHECKING:
    from asyncsim.client import Client, Settings


class Emulator(Emulation):
    """The SIM APIs of both vendors on this machine, and clients for them.

    ::

        async with Emulator(sims=500) as emulator:
            async with emulator.client() as client: ...
    """

    def client(
        self,
        vendor: Literal["twilio", "kore"] = "twilio",
        *,
        credentials: EmulatorCredentials | None = None,
        webhook_secrets: Sequence[str] | None = None,
        **settings: Unpack[Settings],
    ) -> Client:
        """A client logged in here, on this emulator's clock; `settings` are those of `Client`.

        `credentials` are those of a subaccount, as `world(vendor).add_subaccount()` gives them.
        `webhook_secrets` are KORE's, by default the one among them.
        """
        from asyncsim.client import Client

        given: Settings = {"hosts": self.hosts_of(vendor), "clock": self.clock, **settings}
        own = credentials or self.credentials
        if vendor == "kore":
            secrets = [own.webhook_secret] if webhook_secrets is None else webhook_secrets
            return Client.kore(own.client_id, own.client_secret, webhook_secrets=secrets, **given)
        return Client.twilio(own.account_sid, own.auth_token, **given)
