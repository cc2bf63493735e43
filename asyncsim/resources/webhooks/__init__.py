"""Webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncsim.resources.namespace import Namespace

if TYPE_CHECKING:
    from asyncsim.resources.webhooks.secrets import Secrets


class Webhooks(Namespace):
    """`client.webhooks`; `Unsupported` at Twilio, which signs with the auth token."""

    secrets: Secrets
    """KORE's signing secrets."""
