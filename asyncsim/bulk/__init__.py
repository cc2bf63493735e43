"""Jobs: thousands of SIMs from a file, sent, awaited, recorded and resumed. Extra: `bulk`.

::

    job = Job.from_csv("batch-42.csv", product="supersim", change={"status": "active"})
    async with Journal.open("batch-42.db") as journal:
        report = await run(job, client, journal=journal)
    report.raise_for_failures()
"""

try:
    import sqlalchemy as _  # noqa: F401  # here, so that a missing extra is explained
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'asyncsim.bulk needs an extra; install it with: pip install "asyncsim[bulk]"',
        name=error.name,
    ) from error

from asyncsim.bulk.actions import Action
from asyncsim.bulk.drift import DriftedSim, find_drift, write_fix
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.jobs import SharedJob
from asyncsim.bulk.migrate import migrate
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.records import JobState, State, Verdict
from asyncsim.bulk.report import Report
from asyncsim.bulk.results import write_results
from asyncsim.bulk.run import run
from asyncsim.bulk.shared_jobs import SharedJobs
from asyncsim.bulk.submit import Submission, submit
from asyncsim.bulk.undo import WrittenUndo, write_undo
from asyncsim.bulk.worker import work

__all__ = [
    "Action",
    "DriftedSim",
    "Job",
    "JobState",
    "Journal",
    "Plan",
    "Report",
    "SharedJob",
    "SharedJobs",
    "State",
    "Submission",
    "Verdict",
    "WrittenUndo",
    "find_drift",
    "migrate",
    "run",
    "submit",
    "work",
    "write_fix",
    "write_results",
    "write_undo",
]
