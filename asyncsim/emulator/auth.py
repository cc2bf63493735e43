"""Authentication: HTTP Basic at Twilio; access tokens at KORE, and the endpoint that mints them.

Sources: Twilio's captured 401 texts; KORE docs, Authorization; kore_token_api_v1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asyncsim.clock import Clock
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.persistence import StateStore
from asyncsim.vendors import EmulatorCredentials
from asyncsim.wire import json

_COLLECTION, _COUNT = "tokens", "token count"  # stored names
_DENIAL = "User is not authorized to access this resource with an explicit deny"


class AccessDenied(Exception):
    """A rejection by KORE's gateway, which has bodies of its own: no code, no envelope."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def check_basic(header: str | None, accounts: Iterable[EmulatorCredentials]) -> str:
    """The account SID of an `Authorization: Basic` header, else `VendorError` 20003.

    Accepts an account SID with its token, or an API key with its secret.
    """
    user, password = "", ""
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
    account = next((one for one in accounts if user in (one.account_sid, one.api_key)), None)
    if user and account is None:
        raise VendorError(20003, "Authentication Error - invalid username")
    if account is None:
        raise VendorError(20003, "Authenticate")
    right = account.auth_token if user == account.account_sid else account.api_secret
    if not hmac.compare_digest(right.encode(), password.encode()):
        raise VendorError(20003, "Authenticate")
    return account.account_sid


class AccessTokens:
    """Access tokens of KORE's API clients; each account has one client.

    `accounts` returns the credentials of all accounts.
    """

    def __init__(
        self,
        clock: Clock,
        state: StateStore,
        accounts: Callable[[], Iterable[EmulatorCredentials]],
        seed: int,
    ) -> None:
        self._clock = clock
        self._state = state
        self._accounts = accounts
        self._seed = seed
        self._minted = 0
        self._expiry: dict[str, tuple[float, str]] = {}

    def check(self, header: str | None) -> str:
        """The account SID of an `Authorization: Bearer` header; raises `AccessDenied`."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AccessDenied(401, {"message": "Unauthorized"})
        expiry, account_sid = self._expiry.get(token, (0.0, ""))
        if expiry <= self._clock.utcnow().timestamp():
            raise AccessDenied(403, {"message": _DENIAL, "error": "Invalid or expired token"})
        return account_sid

    def mint(self, form: Mapping[str, Sequence[str]], lifetime: float) -> dict[str, Any]:
        """The response of the token endpoint; raises `AccessDenied`."""
        given = {key: values[-1] for key, values in form.items()}
        if given.get("grant_type") != "client_credentials":
            message = "grant_type must be client_credentials"
            raise AccessDenied(400, {"code": 400, "message": message})
        client_id, client_secret = given.get("client_id", ""), given.get("client_secret", "")
        account = next((one for one in self._accounts() if one.client_id == client_id), None)
        right = "" if account is None else account.client_secret
        if account is None or not hmac.compare_digest(right.encode(), client_secret.encode()):
            text = "Invalid client or Invalid client credentials"
            raise AccessDenied(401, {"error": "unauthorized_client", "error_description": text})
        now = self._clock.utcnow().timestamp()
        for old in [token for token, (expiry, _) in self._expiry.items() if expiry <= now]:
            del self._expiry[old]
            self._state.delete(_COLLECTION, old)
        self._minted += 1
        self._state.put(_COUNT, "minted", self._minted)
        # Shaped like a JWT, because KORE's own sample code reads `exp` from it.
        unique = seeded_hex(self._seed, "token", self._minted, now)
        claims = {"sub": client_id, "iat": int(now), "exp": int(now + lifetime)}
        parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "jti": unique}, unique)
        token = ".".join(
            base64.urlsafe_b64encode(json.dumps(part)).rstrip(b"=").decode() for part in parts
        )
        self._expiry[token] = now + lifetime, account.account_sid
        self._state.put(_COLLECTION, token, [now + lifetime, account.account_sid])
        return {
            "access_token": token,
            "expires_in": int(lifetime),
            "token_type": "Bearer",
            "scope": "email",
        }

    def expire_all(self) -> None:
        """Invalidate every token minted so far."""
        self._expiry.clear()
        self._state.delete(_COLLECTION)

    def load(self) -> None:
        """Load the tokens of an earlier run."""
        tokens = self._state.items(_COLLECTION)
        self._expiry = {token: (expiry, sid) for token, (expiry, sid) in tokens}
        # A manual clock may be set to the same time again, so the count makes a token unique.
        self._minted = dict(self._state.items(_COUNT)).get("minted", 0)
