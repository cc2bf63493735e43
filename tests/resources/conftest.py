"""Resources are tested on the stage of the rehearsals."""

from __future__ import annotations

from tests.rehearsals.conftest import set_stage

__all__ = ["set_stage"]
