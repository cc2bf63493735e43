"""The journal of a job: how far each row has come, in one SQLite file."""

from asyncsim.bulk.journal.journal import Journal

__all__ = ["Journal"]
