"""Options that several commands share, each declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from asyncsim.cli.accounts import ProductName, VendorName
from asyncsim.cli.output import Format
from asyncsim.emulator import Faults

Product = Annotated[
    ProductName,
    Parameter(help="supersim (default) or wireless.", show_default=False, show_choices=False),
]
Vendor = Annotated[
    VendorName | None,
    Parameter(
        help="twilio or kore; needed with credentials of both.",
        show_default=False,
        show_choices=False,
    ),
]
Output = Annotated[Format, Parameter(name=["--output", "-o"], help="Form of the data on stdout.")]
Fleet = Annotated[
    str | None, Parameter(help="Fleet, by SID or unique name (Super SIM).", show_default=False)
]
RatePlan = Annotated[
    str | None,
    Parameter(help="Rate plan, by SID or unique name (Programmable Wireless)."),
]
Clear = Annotated[
    list[str] | None,
    Parameter(help="Fields to clear, as in unique-name,fleet.", negative="", show_default=False),
]
Timeout = Annotated[
    float | None,
    Parameter(
        help="Seconds to wait for each SIM; 900 unless given.",
        show_default=False,
        validator=Number(gt=0),
    ),
]
Confirm = Annotated[
    int | None,
    Parameter(help="Number of SIMs; needed for --status deactivated.", show_default=False),
]

AT_LEAST_ONE = Number(gte=1)

_FAULTS = Group("Faults (chances are from 0 to 1)", sort_key=9)
Chance = Annotated[float, Parameter(group=_FAULTS, show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """What goes wrong on purpose in the emulator."""

    rate_limited: Annotated[Chance, Parameter(help="Chance of a 429 refusal.")] = 0.0
    server_errors: Annotated[Chance, Parameter(help="Chance of a 5xx answer.")] = 0.0
    dropped: Annotated[Chance, Parameter(help="Chance of a dropped connection.")] = 0.0
    lose_callbacks: Annotated[Chance, Parameter(help="Chance that a callback is lost.")] = 0.0
    failing_updates: Annotated[Chance, Parameter(help="Chance that a change fails.")] = 0.0
    concurrency: Annotated[
        int | None,
        Parameter(group=_FAULTS, help="Requests at once, else 429.", show_default=False),
    ] = None

    def faults(self, seed: int) -> Faults:
        """These options as the emulator's faults."""
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
