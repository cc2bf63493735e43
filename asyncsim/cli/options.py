"""Options, each declared once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from asyncsim import CallbackReceiver, Throttle
from asyncsim.cli.accounts import ProductName, VendorName
from asyncsim.cli.exits import CommandError
from asyncsim.cli.output import Format, RowFormat

if TYPE_CHECKING:
    from asyncsim.emulator import Faults

Product = Annotated[
    ProductName,
    Parameter(help="supersim (default) or wireless.", show_default=False, show_choices=False),
]
Vendor = Annotated[
    VendorName | None,
    Parameter(
        help="twilio or kore; required if credentials of both are set.",
        show_default=False,
        show_choices=False,
    ),
]
Output = Annotated[Format, Parameter(name=["--output", "-o"], help="Format of the data on stdout.")]
RowOutput = Annotated[
    RowFormat, Parameter(name=["--output", "-o"], help="Format of the data on stdout.")
]
ShownColumns = Annotated[
    str | None,
    Parameter(name="--columns", help="Columns to show, such as sid,status.", show_default=False),
]
Names = Annotated[list[str], Parameter(name="NAME", help="SIDs or unique names.", negative="")]
Fleet = Annotated[
    str | None, Parameter(help="Fleet, by SID or unique name (Super SIM).", show_default=False)
]
RatePlan = Annotated[
    str | None,
    Parameter(help="Rate plan, by SID or unique name (Programmable Wireless)."),
]
Clear = Annotated[
    list[str] | None,
    Parameter(help="Fields to clear, such as unique-name,fleet.", negative="", show_default=False),
]
Timeout = Annotated[
    float | None,
    Parameter(
        help="Seconds to wait; default: 900.",
        show_default=False,
        validator=Number(gt=0),
    ),
]
Confirm = Annotated[
    int | None,
    Parameter(help="Number of SIMs; required for --status deactivated.", show_default=False),
]

AT_LEAST_ONE = Number(gte=1)
Limit = Annotated[int | None, Parameter(help="Largest number of rows.", validator=AT_LEAST_ONE)]


def at_least_one(kind: object, value: object) -> None:
    """Check a number that may also be a word, such as `off`."""
    if isinstance(value, int) and value < 1:
        raise ValueError("must be 1 or more")


DispatchName = Literal["procrastinate", "table"]

_FAULTS = Group("Faults (probabilities are from 0 to 1)", sort_key=9)
Probability = Annotated[float, Parameter(group=_FAULTS, show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """Faults of the emulator."""

    rate_limited: Annotated[Probability, Parameter(help="Probability of a 429.")] = 0.0
    server_errors: Annotated[Probability, Parameter(help="Probability of a 5xx.")] = 0.0
    dropped: Annotated[Probability, Parameter(help="Probability of a dropped connection.")] = 0.0
    lose_callbacks: Annotated[Probability, Parameter(help="Probability of a lost callback.")] = 0.0
    failing_updates: Annotated[Probability, Parameter(help="Probability of a failed change.")] = 0.0
    concurrency: Annotated[
        int | None,
        Parameter(group=_FAULTS, help="Concurrency limit; 429 beyond it.", show_default=False),
    ] = None

    def faults(self, seed: int) -> Faults:
        """Return these options as the emulator's faults."""
        from asyncsim.emulator import Faults

        return Faults(
            seed=seed,
            rate_limited=self.rate_limited,
            server_errors=self.server_errors,
            dropped=self.dropped,
            lost_callbacks=self.lose_callbacks,
            failing_updates=self.failing_updates,
            concurrency=self.concurrency,
        )


NO_FAULTS = FaultOptions()


_RUN = Group("Run", sort_key=5)
_OUT = Group("Output", sort_key=6)

InputFile = Annotated[
    str,
    Parameter(
        help="CSV, or a bare list of ICCIDs or SIDs; - reads stdin.", allow_leading_hyphen=True
    ),
]
Columns = Annotated[
    str | None, Parameter(help="Columns to apply, such as fleet,status.", show_default=False)
]
JournalTarget = Annotated[
    str | None,
    Parameter(
        group=_RUN,
        help="File or postgresql:// URL; default: FILE with .db.",
        show_default=False,
    ),
]
SharedJournal = Annotated[
    str | None,
    Parameter(
        name="--journal",
        help="postgresql:// URL of a shared journal; default: ASYNCSIM_JOURNAL.",
        show_default=False,
    ),
]
JobName = Annotated[
    str | None,
    Parameter(
        name="--name",
        group=_RUN,
        help="Name in a shared journal; default: that of FILE.",
        show_default=False,
    ),
]
Dispatch = Annotated[
    DispatchName,
    Parameter(
        group=_RUN, help="How chunks reach workers: procrastinate or table.", show_choices=False
    ),
]
ChunkRows = Annotated[
    int, Parameter(group=_RUN, help="Rows of each chunk.", validator=AT_LEAST_ONE)
]

_Flag = Annotated[bool, Parameter(negative="", show_default=False)]
_Text = Annotated[str | None, Parameter(group=_RUN, show_default=False)]
_Number = Annotated[int | None, Parameter(group=_RUN, show_default=False)]
_Count = Annotated[_Number, Parameter(validator=AT_LEAST_ONE)]
_Seconds = Annotated[
    float | None, Parameter(group=_RUN, show_default=False, validator=Number(gt=0))
]

DryRun = Annotated[_Flag, Parameter(group=_RUN, help="Print the plan, send nothing.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """How a job is planned and confirmed, and the limits of its runs, here or by workers."""

    confirm_count: Annotated[_Number, Parameter(help="Number of SIMs to confirm.")] = None
    confirm_above: Annotated[
        _Number,
        Parameter(
            help="Also confirm if more become billable.",
            env_var="ASYNCSIM_CONFIRM_ABOVE",
            show_env_var=False,
            validator=Number(gte=0),
        ),
    ] = None
    max_failures: Annotated[
        _Number, Parameter(help="Stop once more have failed.", validator=Number(gte=0))
    ] = None
    breaker: Annotated[
        int | Literal["off"],
        Parameter(
            group=_RUN,
            help="Stop after N equal rejections, or off.",
            show_default=False,
            show_choices=False,
            validator=at_least_one,
        ),
    ] = 20
    timeout: Annotated[_Seconds, Parameter(help="Seconds to wait per SIM; default: 900.")] = None
    quiet: Annotated[_Flag, Parameter(group=_OUT, help="Print only errors.")] = False
    json: Annotated[_Flag, Parameter(group=_OUT, help="Events as JSON lines on stdout.")] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions(SubmitOptions):
    """How a job is run in this process, and what it prints."""

    limit: Annotated[_Count, Parameter(help="Send at most this many changes.")] = None
    deadline: Annotated[_Seconds, Parameter(help="Seconds for the whole run.")] = None
    listen: Annotated[_Text, Parameter(help="[HOST:]PORT for callbacks; default: poll.")] = None
    public_url: Annotated[_Text, Parameter(help="URL at which vendors reach --listen.")] = None
    window: Annotated[_Count, Parameter(help="SIMs in flight, at most; default: 10,000.")] = None
    concurrency: Annotated[_Count, Parameter(help="Concurrent requests, at most.")] = None
    max_rps: Annotated[_Seconds, Parameter(help="Requests per second, at most.")] = None
    results: Annotated[
        Path | None,
        Parameter(group=_OUT, help="Folder; default: next to the journal.", show_default=False),
    ] = None
    undo: Annotated[
        Path | None,
        Parameter(group=_OUT, help="File for the statuses before the job.", show_default=False),
    ] = None


Concurrency = Annotated[_Count, Parameter(help="Concurrent requests of an account, at most.")]
MaxRps = Annotated[_Seconds, Parameter(help="Requests per second of an account, at most.")]


def throttle(concurrency: int | None, max_rps: float | None) -> Throttle:
    """Return the limits of an account's requests; each client needs a separate object."""
    if concurrency is None:
        return Throttle(max_rps=max_rps)
    return Throttle(maximum=concurrency, max_rps=max_rps)


DEFAULTS = RunOptions()
WINDOW = 10_000


_HIGHEST = 65_535


def check_listen(listen: str | None, public_url: str | None) -> None:
    """Reject a listener that cannot work, before anything else is done."""
    if listen is None:
        if public_url is not None:
            raise CommandError("--public-url needs --listen, the port to receive callbacks on")
        return
    if public_url is None and not os.environ.get("ASYNCSIM_EMULATOR"):
        raise CommandError("--listen needs --public-url, the URL at which the vendor reaches it")
    check_address("--listen", listen)


def check_address(option: str, address: str) -> None:
    """Reject a malformed address to listen on."""
    port = address.rpartition(":")[2]
    if not (port.isascii() and port.isdecimal() and int(port) <= _HIGHEST):
        raise CommandError(
            f"{option} {address}: give PORT or HOST:PORT, with a port from 0 to {_HIGHEST}"
        )


def split_listen(listen: str) -> tuple[str, int]:
    """Split a checked address into host and port."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def make_receiver(
    listen: str | None, public_url: str | None, ticket_secret: str
) -> CallbackReceiver | None:
    """Make the receiver of `--listen`; with the job's secret a later run accepts its callbacks."""
    if listen is None:
        return None
    host, port = split_listen(listen)
    return CallbackReceiver(
        public_url,
        host=host,
        port=port,
        ticket_secrets=[ticket_secret],
    )
