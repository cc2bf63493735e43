"""Who may enter: HTTP Basic at Twilio; access tokens at KORE, and the endpoint that mints them.

Sources: Twilio's captured 401 texts; KORE docs, Authorization; kore_token_api_v1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from asyncsim.clock import Clock
from asyncsim.emulated import Credentials
from asyncsim.emulator import identity
from asyncsim.emulator.refusals import Refusal
from asyncsim.emulator.state import State
from asyncsim.wire import json

_ROOM, _COUNT = "tokens", "token count"
_DENIAL = "User is not authorized to access this resource with an explicit deny"


class Denied(Exception):
    """KORE's gateway turns a request away, in words of its own: no code, no envelope."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def check_basic(header: str | None, credentials: Credentials) -> None:
    """Let an account SID with its token, or an API key with its secret, pass."""
    passwords = {
        credentials.account_sid: credentials.auth_token,
        credentials.api_key: credentials.api_secret,
    }
    user, password = _basic(header)
    if user and user not in passwords:
        raise Refusal(20003, "Authentication Error - invalid username")
    if not user or not hmac.compare_digest(passwords[user].encode(), password.encode()):
        raise Refusal(20003, "Authenticate")


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
    """Access tokens of KORE's API client."""

    def __init__(self, clock: Clock, state: State, credentials: Credentials, seed: int) -> None:
        self._clock = clock
        self._state = state
        self._credentials = credentials
        self._seed = seed
        self._minted = 0
        self._expiry: dict[str, float] = {}

    def check(self, header: str | None) -> None:
        """Let a token that is known and has not expired pass."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Denied(401, {"message": "Unauthorized"})
        if self._expiry.get(token, 0.0) <= self._now():
            raise Denied(403, {"message": _DENIAL, "error": "Invalid or expired token"})

    def mint(self, form: Mapping[str, Sequence[str]], lifetime: float) -> dict[str, Any]:
        """Answer the token endpoint; raises `Denied`."""
        given = {key: values[-1] for key, values in form.items()}
        if given.get("grant_type") != "client_credentials":
            raise Denied(400, {"code": 400, "message": "grant_type must be client_credentials"})
        pair = f"{given.get('client_id', '')}:{given.get('client_secret', '')}"
        own = f"{self._credentials.client_id}:{self._credentials.client_secret}"
        if not hmac.compare_digest(pair.encode(), own.encode()):
            raise Denied(
                401,
                {
                    "error": "unauthorized_client",
                    "error_description": "Invalid client or Invalid client credentials",
                },
            )
        token = self._mint(lifetime)
        return {
            "access_token": token,
            "expires_in": int(lifetime),
            "token_type": "Bearer",
            "scope": "email",
        }

    def expire(self) -> None:
        """Make every token that was minted so far worthless."""
        self._expiry.clear()
        self._state.drop(_ROOM)

    def load(self) -> None:
        """Take up the tokens of an earlier run."""
        self._expiry = dict(self._state.all(_ROOM))
        # A clock moved by hand may stand where it stood, so the count makes a token unique.
        self._minted = dict(self._state.all(_COUNT)).get("minted", 0)

    def _mint(self, lifetime: float) -> str:
        now = self._now()
        for old in [token for token, expiry in self._expiry.items() if expiry <= now]:
            del self._expiry[old]
            self._state.drop(_ROOM, old)
        self._minted += 1
        self._state.put(_COUNT, "minted", self._minted)
        token = self._write(now, now + lifetime)
        self._expiry[token] = now + lifetime
        self._state.put(_ROOM, token, now + lifetime)
        return token

    def _write(self, issued: float, expires: float) -> str:
        """A JWT by its looks; KORE's own sample code reads `exp` out of it."""
        unique = identity.digest(self._seed, "token", self._minted, issued)
        claims = {"sub": self._credentials.client_id, "iat": int(issued), "exp": int(expires)}
        parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "jti": unique}, unique)
        return ".".join(_part(part) for part in parts)

    def _now(self) -> float:
        return self._clock.utcnow().timestamp()


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value)).rstrip(b"=").decode()
