"""Who may enter: HTTP Basic at Twilio; access tokens at KORE, and the endpoint that mints them.

Sources: Twilio's captured 401 texts; KORE docs, Authorization; kore_token_api_v1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asyncsim.clock import Clock
from asyncsim.emulator import identity
from asyncsim.emulator.errors import Refusal
from asyncsim.emulator.persistence import State
from asyncsim.vendors import EmulatorCredentials
from asyncsim.wire import json

_ROOM, _COUNT = "tokens", "token count"
_DENIAL = "User is not authorized to access this resource with an explicit deny"


class Denied(Exception):
    """KORE's gateway turns a request away, in words of its own: no code, no envelope."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


Accounts = Callable[[], Iterable[EmulatorCredentials]]
"""The credentials of all accounts there are at this moment."""


def check_basic(header: str | None, accounts: Iterable[EmulatorCredentials]) -> str:
    """Let an account SID with its token, or an API key with its secret, pass; whose they are."""
    user, password = _basic(header)
    own = next((one for one in accounts if user in (one.account_sid, one.api_key)), None)
    if user and own is None:
        raise Refusal(20003, "Authentication Error - invalid username")
    right = "" if own is None else own.auth_token if user == own.account_sid else own.api_secret
    if own is None or not hmac.compare_digest(right.encode(), password.encode()):
        raise Refusal(20003, "Authenticate")
    return own.account_sid


def _basic(header: str | None) -> tuple[str, str]:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


class Tokens:
    """Access tokens of KORE's API clients; each account has one client."""

    def __init__(self, clock: Clock, state: State, accounts: Accounts, seed: int) -> None:
        self._clock = clock
        self._state = state
        self._accounts = accounts
        self._seed = seed
        self._minted = 0
        self._expiry: dict[str, tuple[float, str]] = {}

    def check(self, header: str | None) -> str:
        """Let a token that is known and has not expired pass; the SID of its account."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Denied(401, {"message": "Unauthorized"})
        expiry, account_sid = self._expiry.get(token, (0.0, ""))
        if expiry <= self._now():
            raise Denied(403, {"message": _DENIAL, "error": "Invalid or expired token"})
        return account_sid

    def mint(self, form: Mapping[str, Sequence[str]], lifetime: float) -> dict[str, Any]:
        """Answer the token endpoint; raises `Denied`."""
        given = {key: values[-1] for key, values in form.items()}
        if given.get("grant_type") != "client_credentials":
            raise Denied(400, {"code": 400, "message": "grant_type must be client_credentials"})
        own = self._client(given.get("client_id", ""), given.get("client_secret", ""))
        return {
            "access_token": self._mint(own, lifetime),
            "expires_in": int(lifetime),
            "token_type": "Bearer",
            "scope": "email",
        }

    def _client(self, client_id: str, client_secret: str) -> EmulatorCredentials:
        own = next((one for one in self._accounts() if one.client_id == client_id), None)
        right = "" if own is None else own.client_secret
        if own is None or not hmac.compare_digest(right.encode(), client_secret.encode()):
            text = "Invalid client or Invalid client credentials"
            raise Denied(401, {"error": "unauthorized_client", "error_description": text})
        return own

    def expire(self) -> None:
        """Make every token that was minted so far worthless."""
        self._expiry.clear()
        self._state.drop(_ROOM)

    def load(self) -> None:
        """Take up the tokens of an earlier run."""
        self._expiry = {token: (expiry, sid) for token, (expiry, sid) in self._state.all(_ROOM)}
        # A clock moved by hand may stand where it stood, so the count makes a token unique.
        self._minted = dict(self._state.all(_COUNT)).get("minted", 0)

    def _mint(self, own: EmulatorCredentials, lifetime: float) -> str:
        now = self._now()
        for old in [token for token, (expiry, _) in self._expiry.items() if expiry <= now]:
            del self._expiry[old]
            self._state.drop(_ROOM, old)
        self._minted += 1
        self._state.put(_COUNT, "minted", self._minted)
        token = self._write(own.client_id, now, now + lifetime)
        self._expiry[token] = now + lifetime, own.account_sid
        self._state.put(_ROOM, token, [now + lifetime, own.account_sid])
        return token

    def _write(self, client_id: str, issued: float, expires: float) -> str:
        """A JWT by its looks; KORE's own sample code reads `exp` out of it."""
        unique = identity.digest(self._seed, "token", self._minted, issued)
        claims = {"sub": client_id, "iat": int(issued), "exp": int(expires)}
        parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "jti": unique}, unique)
        return ".".join(_part(part) for part in parts)

    def _now(self) -> float:
        return self._clock.utcnow().timestamp()


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value)).rstrip(b"=").decode()
