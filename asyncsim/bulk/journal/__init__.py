"""The journal of a job: the progress of each row, in a SQLite file or in PostgreSQL."""

from asyncsim.bulk.journal.engines import open_database
from asyncsim.bulk.journal.journal import Journal

__all__ = ["Journal", "open_database"]
