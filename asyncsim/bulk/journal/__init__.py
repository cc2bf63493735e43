"""The journal of a job: the progress of each row, in one SQLite file."""

from asyncsim.bulk.journal.journal import Journal

__all__ = ["Journal"]
