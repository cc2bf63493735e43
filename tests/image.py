"""The images of `examples`, made in a folder, without a container engine."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "examples" / "services" / "Dockerfile"
OF_DEPLOYMENT = ROOT / "examples" / "deployment" / "Dockerfile"


def command(instruction: str, python: str = sys.executable) -> list[str]:
    """Return the command of an instruction; as a list, because a shell would swallow SIGTERM."""
    text = DOCKERFILE.read_text("utf-8")
    found = re.search(rf"^{instruction} (\[.*\])$", text, re.MULTILINE)
    assert found
    parts: list[str] = json.loads(found[1])
    assert parts[0] == "python"
    return [python, *parts[1:]]


def installed(dockerfile: Path = DOCKERFILE) -> list[str]:
    """Return what the image gives to `pip install`."""
    text = dockerfile.read_text("utf-8")
    found = re.search(r"^RUN pip install (.*?) && ", text, re.MULTILINE)
    assert found
    return shlex.split(found[1])


def copy_files(root: Path, dockerfile: Path = DOCKERFILE) -> Path:
    """Copy what the image copies, so that a missing file is found; return the working folder."""
    working = root
    text = dockerfile.read_text("utf-8")
    for line in re.findall(r"^(?:COPY|WORKDIR) .*$", text, re.MULTILINE):
        instruction, *sources, target = line.split()
        folder = root / target[1:] if target.startswith("/") else working / target
        if instruction == "WORKDIR":
            working = folder
        for source in sources:
            if (ROOT / source).is_dir():  # its contents, as COPY does
                shutil.copytree(ROOT / source, folder, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, folder)
    return working
