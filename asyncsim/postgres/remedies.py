"""Explanations of PostgreSQL errors: what is wrong, what to do, and whether a retry can help.

Codes: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

import re

import psycopg

OLDEST = 14
"""The oldest supported version; PostgreSQL 13 has had no fixes since 2025."""

_GRANT = "have an administrator grant it (docs/postgresql.md)"
_MIGRATE = "run `asyncsim jobs migrate` with this journal"

# SQLSTATE, or the beginning of one -> the problem and the remedy.
_BY_CODE = {
    "25006": (
        "the server accepts no writes: if it is a replica, use the URL of the primary, or add"
        " target_session_attrs=read-write; otherwise set default_transaction_read_only to off for"
        " the user and the database"
    ),
    "25P03": (
        "the server ended an idle transaction (idle_in_transaction_session_timeout), and nothing of"
        " it was stored"
    ),
    "28": "the server rejects the user: check the user name, the password and pg_hba.conf",
    "3D000": "the database does not exist: create it, or correct the URL",
    "3F000": f"the tables are missing: {_MIGRATE}",
    "42501": f"the user lacks a privilege: {_GRANT}",
    "42703": f"the tables are of another version: {_MIGRATE}",
    "42P01": f"the tables are missing: {_MIGRATE}",
    "53100": "the server's disk is full: free space there",
    "53200": "the server is out of memory: give it more memory",
    "53300": "the server has too many connections: raise max_connections, or use pgbouncer",
    "55P03": (
        "another program holds a lock, such as VACUUM FULL: wait until it has ended, or end it"
        " (pg_blocking_pids() finds it)"
    ),
    "57014": (
        "the server cancelled a statement (statement_timeout?): raise the limit for this user"
        " to 10 seconds or more"
    ),
    "57P01": "the server is shutting down or ended the connection: wait for it",
    "57P05": (
        "the server ended an idle connection (idle_session_timeout): set it to 0 for this user"
    ),
    "58030": "the server cannot read or write its disk: repair it",
}

_SETTING = "a connection setting is not valid: correct the URL, or the variable that it comes from"
_SERVICE = (
    "the service is not defined: correct its name, or the service file (PGSERVICEFILE, or"
    " ~/.pg_service.conf)"
)

# Failed connection attempts have no code, only a text of libpq, the server or pgbouncer: libpq does
# not pass the server's code on. A text in another language (`lc_messages`) is quoted as it is, and
# the attempt is retried for a while.
_BY_TEXT = {
    "certificate": "the server's TLS certificate is not accepted: check sslrootcert and the host",
    "does not support SSL": "the server has no TLS: set `ssl = on` there, or use another sslmode",
    "password authentication failed": _BY_CODE["28"],
    "SASL authentication failed": _BY_CODE["28"],  # pgbouncer
    "no password supplied": "the server requires a password: set PGPASSWORD or a password file",
    "no pg_hba.conf entry": _BY_CODE["28"],
    "not permitted to log in": _BY_CODE["28"],
    'FATAL:  role "': _BY_CODE["28"],
    "permission denied for database": _BY_CODE["42501"],
    "does not exist": _BY_CODE["3D000"],
    "no such database": _BY_CODE["3D000"],  # pgbouncer
    "definition of service": _SERVICE,
    "service file": _SERVICE,
    "invalid URI": _SETTING,
    "connection option": _SETTING,
    ' value: "': _SETTING,  # such as: invalid sslmode value: "x"
    "invalid port number": _SETTING,
    "could not parse network address": _SETTING,
    "could not match": _SETTING,  # 3 port numbers to 2 hosts
    # In `options`.
    "unrecognized configuration parameter": _SETTING,
    "invalid value for parameter": _SETTING,
    "invalid command-line argument": _SETTING,
    "ProactorEventLoop": "psycopg needs another event loop on Windows: asyncio.SelectorEventLoop",
}

_STARTING = "the server is starting or shutting down: wait for it"
# As above, but temporary.
_BY_TRANSIENT_TEXT = {
    "too many clients": _BY_CODE["53300"],
    "too many connections": _BY_CODE["53300"],  # of a role or a database
    "connection slots are reserved": _BY_CODE["53300"],
    "no more connections allowed": _BY_CODE["53300"],  # pgbouncer
    "the database system is": _STARTING,
}

# A text of the server, in any language: only these have two spaces after their severity.
_OF_SERVER = re.compile(r"failed: [^\s:][^:\n]*:  ")
_REJECTED = (
    "the server rejects the connection: check the user name, the password, the database and"
    " pg_hba.conf; if the server is starting or has too many connections, wait"
)

_UNREACHABLE = "the server cannot be reached: check the host, the port, and that the server runs"
_SILENT = "the server does not respond: check that it runs and is not overloaded"
_LOST = "the connection to the server was lost: check that the server runs"

# Only for errors that end a command: a worker that logs a remedy tries again on its own.
_AGAIN = "then run the same command again: what was recorded is kept"
_AGAIN_AFTER = (
    *(_BY_CODE[code] for code in ("25P03", "53100", "53200", "55P03", "57P01", "58030")),
    *(_STARTING, _SILENT, _LOST),
)

# Lost connections, and transactions that were rolled back because of another transaction or a limit
# of the server: the same transaction can succeed a moment later.
_TRANSIENT = (
    *("08", "40001", "40P01", "55P03"),  # connection, serialization, deadlock, lock
    *("57P01", "57P02", "57P03", "57P05", "57014"),  # shutdown, crash, start, idle, cancelled
    *("25P03", "25P04", "53200", "53300"),  # idle or long transaction; memory, connections
)


class UnsupportedServer(psycopg.NotSupportedError):
    """The server is too old, or the database has another encoding; the text says what to do."""


def check_version(number: int) -> None:
    """Raise UnsupportedServer for a `server_version_num` below the oldest, such as 130014."""
    if number < OLDEST * 10_000:
        raise UnsupportedServer(
            f"the server is PostgreSQL {number // 10_000}: asyncsim needs {OLDEST} or newer"
        )


def check_encoding(name: str | None) -> None:
    """Raise UnsupportedServer for a `server_encoding` other than UTF8; None if it is unknown.

    SQL_ASCII would store text of any encoding unchecked, and LATIN1 rejects most characters.
    """
    if name not in (None, "UTF8"):
        raise UnsupportedServer(
            f"the encoding of the database is {name}, and asyncsim needs UTF8: create another one"
            " with `createdb --encoding=UTF8 --template=template0 --locale=C NAME`"
        )


def remedy_of(error: BaseException) -> str:
    """Explain an error: what is wrong, what to do, and the server's text; never with a password."""
    cause = _cause(error)
    # The values of a row may be secrets.
    text = str(cause).partition("Failing row contains")[0]
    said = " ".join(text.split()) or type(cause).__name__
    if isinstance(cause, UnsupportedServer):
        return said
    remedy = _remedy(cause, said)
    return f"{remedy} ({said})" if remedy else said


def advice_of(error: BaseException) -> str:
    """Return what to do after the remedy, if an error has ended a command; empty if nothing."""
    cause = _cause(error)
    return _AGAIN if _remedy(cause, " ".join(str(cause).split())) in _AGAIN_AFTER else ""


def is_locked(error: BaseException) -> bool:
    """Whether a wait for a lock has timed out."""
    return getattr(_cause(error), "sqlstate", None) == "55P03"


def is_forbidden(error: BaseException) -> bool:
    """Whether the user lacks a privilege."""
    return getattr(_cause(error), "sqlstate", None) == "42501"


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction can succeed a moment later, as after a restart of the server."""
    cause = _cause(error)
    if isinstance(cause, psycopg.Error):
        if cause.sqlstate is not None:
            return cause.sqlstate.startswith(_TRANSIENT)
        lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return lost and not any(text in str(cause) for text in _BY_TEXT)
    return isinstance(cause, OSError)  # TimeoutError too


def _remedy(cause: BaseException, said: str) -> str | None:
    code = getattr(cause, "sqlstate", None)
    if code is not None:
        return next((text for start, text in _BY_CODE.items() if code.startswith(start)), None)
    for words, remedy in (_BY_TEXT | _BY_TRANSIENT_TEXT).items():
        if " ".join(words.split()) in said:
            return remedy
    if not is_transient(cause):
        return None
    if _OF_SERVER.search(str(cause)):
        return _REJECTED
    if isinstance(cause, TimeoutError):
        return _SILENT
    attempted = ("connection failed", "failed to resolve", "timeout expired")
    return _UNREACHABLE if any(words in said for words in attempted) else _LOST


def _cause(error: BaseException) -> BaseException:
    """Return the error of psycopg in one of SQLAlchemy."""
    return getattr(error, "orig", None) or error
