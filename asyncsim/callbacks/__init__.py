"""Callbacks: a receiver that verifies them, and a bus that takes them to the pending waits."""

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.commands import InboundCommand
from asyncsim.callbacks.receiver import CallbackReceiver

__all__ = ["Callback", "CallbackReceiver", "InboundCommand"]
