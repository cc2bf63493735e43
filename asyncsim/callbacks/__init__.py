"""Callbacks: the receiver, its tickets, and what it tells those who wait."""

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.inbound import InboundCommand
from asyncsim.callbacks.receiver import CallbackReceiver

__all__ = ["Callback", "CallbackReceiver", "InboundCommand"]
