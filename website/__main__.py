"""Build and check the site: `python -m website`."""

from __future__ import annotations

import os
import subprocess
import sys

from website.check import HTML, problems
from website.stage import ROOT, stage


def main() -> int:
    """Return 0 if the site is built and nothing is wrong with it."""
    stage()
    config = str(ROOT / "zensical.toml")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", config]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"})  # noqa: S603  # our own command
    found = list(problems())
    print("\n".join(found) or f"The site is in {HTML}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
