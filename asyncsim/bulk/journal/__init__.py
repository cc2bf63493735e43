"""The journal of a job: the truth about its progress, in one file that people can read, too."""

from asyncsim.bulk.journal.journal import Journal
from asyncsim.bulk.journal.records import Failures, Head, Planned, Repeated, Run, Statistics

__all__ = ["Failures", "Head", "Journal", "Planned", "Repeated", "Run", "Statistics"]
