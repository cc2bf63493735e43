"""Observers of events: a counter and a log. Pass them to a client.

::

    tally = Tally()
    client = Client.from_env(observers=[tally, log])
"""

from asyncsim.observers.logging import log
from asyncsim.observers.tally import Tally

__all__ = ["Tally", "log"]
