"""A job that was killed is resumed by the same command; no change is accepted twice."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncsim.emulator import Emulator, Faults, ThreadedEmulator


def main(folder: Path) -> None:
    slow = Faults(answer_takes=0.05, concurrency=2)
    with ThreadedEmulator(Emulator(sims=12, speed=1000, faults=slow)) as emulator:
        (folder / "batch.csv").write_text("\n".join(str(sim.iccid) for sim in emulator.sims()))
        command = [sys.executable, "-m", "asyncsim.cli", "activate", "batch.csv"]
        environ = {**os.environ, **emulator.environ}
        quiet = subprocess.DEVNULL

        job = subprocess.Popen(command, cwd=folder, env=environ, stdout=quiet, stderr=quiet)
        while not any(request.method == "POST" for request in emulator.requests):
            time.sleep(0.01)
        job.kill()
        print("killed:", job.wait() != 0)

        again = subprocess.run(
            command, cwd=folder, env=environ, check=False, stdout=quiet, stderr=quiet
        )
        print("exit code:", again.returncode)
        print("statuses:", dict(Counter(str(sim.status) for sim in emulator.sims())))
        accepted = [r for r in emulator.requests if r.method == "POST" and r.status == 202]
        print("changes accepted:", len(accepted))


with TemporaryDirectory() as folder:
    main(Path(folder))
