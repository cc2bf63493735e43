"""Async-first SDK for the SIM APIs of Twilio and KORE: Programmable Wireless and Super SIM."""

from importlib import import_module
from typing import TYPE_CHECKING

from asyncsim.callbacks import Callback, CallbackReceiver, InboundCommand
from asyncsim.client import Client
from asyncsim.core.settings import RetryPolicy, Throttle, Timeout, Watching
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    BadRequest,
    ClientClosed,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DecodeError,
    JobError,
    JobStopped,
    JournalError,
    NotConfirmed,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    QueueTimeout,
    RateLimited,
    ReceiverError,
    RequestTimeout,
    ServerError,
    SignatureError,
    TargetForgotten,
    TransitionError,
    TransitionFailed,
    TransitionTimeout,
    TransportError,
    UnreachableStatus,
    Unsupported,
    WrongResource,
)
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.pages import Page, Pager
from asyncsim.vendors import KORE, TWILIO, Hosts, Product, Vendor
from asyncsim.version import __version__
from asyncsim.wait_errors import PerhapsNeverSent, TokenError
from asyncsim.wire.pages import BadRecord

if TYPE_CHECKING:
    from asyncsim import monitor, supersim, webhooks, wireless
    from asyncsim.interactive import connect
    from asyncsim.postgres.bus import PostgresBus
    from asyncsim.postgres.limit import PostgresLimit
    from asyncsim.resources.prepared import PreparedUpdate, Wait

__all__ = [
    "KORE",
    "TWILIO",
    "APIError",
    "AsyncSimError",
    "AuthenticationError",
    "BadRecord",
    "BadRequest",
    "Callback",
    "CallbackReceiver",
    "Client",
    "ClientClosed",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DecodeError",
    "Hosts",
    "InboundCommand",
    "JobError",
    "JobStopped",
    "JournalError",
    "NotConfirmed",
    "NotFound",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Pager",
    "PerhapsNeverSent",
    "PermissionDenied",
    "PostgresBus",
    "PostgresLimit",
    "PreparedUpdate",
    "Product",
    "QueueTimeout",
    "RateLimited",
    "ReceiverError",
    "RequestTimeout",
    "RetryPolicy",
    "ServerError",
    "SignatureError",
    "TargetForgotten",
    "Throttle",
    "Timeout",
    "TokenError",
    "TransitionError",
    "TransitionFailed",
    "TransitionTimeout",
    "TransportError",
    "UnreachableStatus",
    "Unsupported",
    "Vendor",
    "Wait",
    "Watching",
    "WrongResource",
    "__version__",
    "connect",
    "monitor",
    "supersim",
    "webhooks",
    "wireless",
]


# Imported on first use: not every program needs them.
_TYPES = ("monitor", "supersim", "webhooks", "wireless")
_LAZY = {
    "PostgresBus": "asyncsim.postgres.bus",
    "PostgresLimit": "asyncsim.postgres.limit",
    "PreparedUpdate": "asyncsim.resources.prepared",
    "Wait": "asyncsim.resources.prepared",
    "connect": "asyncsim.interactive",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _TYPES:
        return import_module(f"asyncsim.{name}")
    raise AttributeError(f"module 'asyncsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
