"""Observers of events. Pass them to a client.

A counter, a log and a recorder for plots are here; `otel.OpenTelemetry` traces,
`prometheus.Prometheus` measures.

::

    tally = Tally()
    client = Client.from_env(observers=[tally, log])
"""

from asyncsim.observers.logging import Log, log
from asyncsim.observers.recorder import Recorder
from asyncsim.observers.tally import Tally

__all__ = ["Log", "Recorder", "Tally", "log"]
