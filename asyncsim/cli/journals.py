"""The journal of a command: a file, or a job in a shared journal."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from attrs import field, frozen

from asyncsim.bulk import Journal
from asyncsim.bulk.journal.file import is_journal
from asyncsim.cli.exits import CommandError
from asyncsim.postgres.url import PostgresUrl, is_database

JOURNAL_VARIABLE = "ASYNCSIM_JOURNAL"


def journal_option(given: str | None) -> str | None:
    """Return `--journal`, else the shared journal of ASYNCSIM_JOURNAL, else None."""
    if given is not None:
        if is_database(given) and PostgresUrl.parse(given).has_secret:
            raise CommandError(
                "--journal with a password, or with an unknown parameter, which may be one, would"
                " show it to every user of this machine: set"
                f" {JOURNAL_VARIABLE} or PGPASSWORD, or use a password file (~/.pgpass)"
            )
        return given
    found = os.environ.get(JOURNAL_VARIABLE) or None
    if found is not None and not is_database(found):
        raise CommandError(f"{JOURNAL_VARIABLE} must be a URL: postgresql://host/database")
    return found


def shared_journal(given: str | None) -> str:
    """Return the URL of the shared journal that a command needs."""
    found = journal_option(given)
    if found is None:
        raise CommandError(
            "no journal given: pass --journal postgresql://host/database, or set"
            f" {JOURNAL_VARIABLE}"
        )
    if not is_database(found):
        raise CommandError(
            f"--journal {found} is a file: pass the URL of a shared journal,"
            " postgresql://host/database"
        )
    return found


@frozen
class JobPlace:
    """Where a job is."""

    target: str = field(repr=False)
    """The path or URL of its journal."""
    name: str | None
    """Its name in a shared journal; None: the only job of a file."""

    @classmethod
    def of(cls, job: str, journal: str | None) -> JobPlace:
        """Find a job by its argument, a file or a name, and `--journal`."""
        if is_database(job):
            raise CommandError("name the job, and pass the URL as --journal")
        if journal is not None:
            return cls(shared_journal(journal), job)
        # The variable is only a default: an existing journal file takes precedence.
        url = journal_option(None)
        if url is None or (Path(job).is_file() and is_journal(Path(job))):
            return cls(job, None)
        return cls(url, job)

    @property
    def is_shared(self) -> bool:
        """Whether it is in a shared journal."""
        return self.name is not None

    @property
    def arguments(self) -> str:
        """The arguments that name the job in another command, for a shell."""
        if self.name is None:
            return shlex.quote(self.target)
        where = shlex.quote(PostgresUrl.parse(self.target).shown)  # a command line is no secret
        return f"{shlex.quote(self.name)} --journal {where}"

    def open(self, *, read_only: bool = False) -> Journal:
        """Return its journal, to be opened by `async with`."""
        return Journal.open(self.target, job=self.name, read_only=read_only)

    @property
    def files(self) -> tuple[str, ...]:
        """The file of the journal, if it is one."""
        return () if self.is_shared else (self.target,)

    @property
    def results(self) -> Path:
        """The folder for its results, unless one is given."""
        if self.name is None:
            path = Path(self.target)
            return path.with_name(f"{path.stem}-results")
        # A name may hold anything; the folder is in the current one.
        return Path(f"{Path(self.name.replace('/', '-')).stem}-results")
