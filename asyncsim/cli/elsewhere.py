"""Options that belong to another command, and where to pass them."""

from __future__ import annotations

from collections.abc import Mapping

_HERE_FIRST = (
    "to try a few SIMs first, pass it to asyncsim activate (or asyncsim bulk ...) with the same"
    " --journal and --name; then asyncsim jobs resume NAME hands the rest to the workers"
)
_RECEIVERS = "callbacks arrive at asyncsim receive; pass its --public-url to asyncsim worker"
_REPORT = "pass it to asyncsim jobs report NAME, at any time"
_WORKER = "pass it to each asyncsim worker"

OTHER_PLACES: Mapping[str, Mapping[str, str]] = {
    "jobs submit": {
        "--limit": _HERE_FIRST,
        "--deadline": "workers have no deadline; asyncsim jobs pause NAME stops a job at any time",
        "--listen": _RECEIVERS,
        "--public-url": _RECEIVERS,
        "--window": "a worker has --chunks times --chunk-rows SIMs in flight",
        "--concurrency": _WORKER,
        "--max-rps": _WORKER,
        "--results": _REPORT,
        "--undo": _REPORT,
        "--here": "asyncsim activate and asyncsim bulk run a job in this process",
    },
    "worker": {
        "--listen": "run asyncsim receive, and pass its --public-url here",
        "--name": "a worker takes chunks of all jobs; --profile chooses the accounts",
        "--window": "a worker has --chunks times the --chunk-rows of jobs submit in flight",
    },
}
"""Command -> option -> where it belongs."""
