"""Options of everything that runs a bulk job, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from asyncsim.cli.options import AT_LEAST_ONE

_RUN = Group("Run", sort_key=5)
_OUT = Group("Output", sort_key=6)

File = Annotated[
    str,
    Parameter(
        help="CSV, or a bare list of ICCIDs or SIDs; - reads stdin.", allow_leading_hyphen=True
    ),
]
Columns = Annotated[
    str | None, Parameter(help="Columns to apply, as in fleet,status.", show_default=False)
]
Journal = Annotated[
    Path | None,
    Parameter(group=_RUN, help="Where progress is kept; FILE with .db.", show_default=False),
]

_Flag = Annotated[bool, Parameter(negative="", show_default=False)]
_Text = Annotated[str | None, Parameter(group=_RUN, show_default=False)]
_Number = Annotated[int | None, Parameter(group=_RUN, show_default=False)]
_Count = Annotated[_Number, Parameter(validator=AT_LEAST_ONE)]
_Seconds = Annotated[
    float | None, Parameter(group=_RUN, show_default=False, validator=Number(gt=0))
]

DryRun = Annotated[_Flag, Parameter(group=_RUN, help="Tell the plan, send nothing.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a job is run, and what is heard of it."""

    confirm_count: Annotated[_Number, Parameter(help="How many SIMs change for ever.")] = None
    limit: Annotated[_Count, Parameter(help="Send for at most this many SIMs.")] = None
    max_failures: Annotated[
        _Number, Parameter(help="Stop when more have failed.", validator=Number(gte=0))
    ] = None
    timeout: Annotated[_Seconds, Parameter(help="Seconds to wait for each SIM; 900.")] = None
    deadline: Annotated[_Seconds, Parameter(help="Seconds for the whole run.")] = None
    listen: Annotated[_Text, Parameter(help="[HOST:]PORT for callbacks; else asks only.")] = None
    public_url: Annotated[_Text, Parameter(help="Where vendors reach --listen.")] = None
    window: Annotated[_Count, Parameter(help="SIMs under way at once; 10,000.")] = None
    concurrency: Annotated[_Count, Parameter(help="Most requests at once.")] = None
    max_rps: Annotated[_Seconds, Parameter(help="Most requests per second.")] = None
    results: Annotated[
        Path | None,
        Parameter(group=_OUT, help="Folder of results; beside the journal.", show_default=False),
    ] = None
    quiet: Annotated[_Flag, Parameter(group=_OUT, help="No progress, no report.")] = False
    json: Annotated[_Flag, Parameter(group=_OUT, help="Events as JSON lines on stdout.")] = False


DEFAULTS = RunOptions()
WINDOW = 10_000
