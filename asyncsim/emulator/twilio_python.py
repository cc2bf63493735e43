"""twilio-python, pointed at an emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncsim.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncsim.emulator.emulator import Emulator


def twilio_client(emulator: Emulator) -> Any:
    """A `twilio.rest.Client` that sends every request for Twilio to the emulator.

    Any host of Twilio's: a request that the emulator does not serve gets its 404, and never
    leaves this machine. Close its `http_client.session` afterwards.
    """
    try:
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client
    except ImportError as error:
        raise ConfigurationError("twilio-python is not installed: pip install twilio") from error

    class EmulatorHttpClient(TwilioHttpClient):  # type: ignore[misc]  # twilio ships no types
        """The SDK's own HTTP client, with another host: the SDK has Twilio's built in."""

        def request(self, method: str, url: str, *args: Any, **settings: Any) -> Any:
            host, _, path = url.removeprefix("https://").partition("/")
            product = host.partition(".")[0]
            return super().request(
                method, f"{emulator.url}/twilio/{product}/{path}", *args, **settings
            )

    own = emulator.credentials
    return Client(own.account_sid, own.auth_token, http_client=EmulatorHttpClient())
