"""Twilio's own SDK, pointed at an emulator."""

from __future__ import annotations

from typing import Any

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient

from asyncsim.emulator import Emulator


def rewritten(emulator: Emulator, url: str) -> str:
    """Replace Twilio's host, which the SDK has built in."""
    for product in ("supersim", "wireless", "monitor"):
        url = url.replace(f"https://{product}.twilio.com", f"{emulator.url}/twilio/{product}")
    return url


class Blocking(TwilioHttpClient):  # type: ignore[misc]  # twilio ships no types
    emulator: Emulator

    def request(self, method: str, url: str, *args: Any, **settings: Any) -> Any:
        return super().request(method, rewritten(self.emulator, url), *args, **settings)


class Asynchronous(AsyncTwilioHttpClient):  # type: ignore[misc]  # twilio ships no types
    emulator: Emulator

    async def request(self, method: str, url: str, *args: Any, **settings: Any) -> Any:
        return await super().request(method, rewritten(self.emulator, url), *args, **settings)
