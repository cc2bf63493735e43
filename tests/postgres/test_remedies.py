"""What is said about errors, apart from real servers: `check_failures.py` has those."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from asyncsim.postgres.remedies import (
    UnsupportedServer,
    advice_of,
    check_version,
    is_transient,
    remedy_of,
)


def test_versions_from_14_on_are_supported() -> None:
    for number in (140000, 150014, 180001):
        check_version(number)
    with pytest.raises(UnsupportedServer) as raised:
        check_version(130021)
    assert remedy_of(raised.value) == "the server is PostgreSQL 13: asyncsim needs 14 or newer"
    assert not is_transient(raised.value)


TRANSIENT = [
    errors.AdminShutdown("terminating connection due to administrator command"),
    errors.CannotConnectNow("the database system is starting up"),
    errors.DeadlockDetected("deadlock detected"),
    errors.IdleInTransactionSessionTimeout("terminating connection"),
    errors.QueryCanceled("canceling statement due to statement timeout"),
    errors.SerializationFailure("could not serialize access"),
    errors.TooManyConnections("sorry, too many clients already"),
    psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already"),
    psycopg.OperationalError("connection failed: FATAL:  too many connections for role"),
    psycopg.OperationalError("the connection is lost"),
    psycopg.InterfaceError("the connection is closed"),
    ConnectionRefusedError(111, "refused"),
    TimeoutError(),
]
PERMANENT = [
    errors.DiskFull("could not extend file"),
    errors.InsufficientPrivilege("permission denied for table jobs"),
    errors.InvalidCatalogName('database "x" does not exist'),
    errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    errors.UndefinedTable('relation "asyncsim.jobs" does not exist'),
    errors.UniqueViolation("duplicate key"),
    psycopg.OperationalError('connection failed: FATAL:  role "me" does not exist'),
    psycopg.OperationalError("FATAL:  no such database: x"),
    psycopg.ProgrammingError("invalid URI query parameter"),
    ValueError("no error of the database"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
def test_transient_errors(error: BaseException) -> None:
    assert is_transient(error)
    assert is_transient(DBAPIError("SELECT 1", None, error))


@pytest.mark.parametrize("error", PERMANENT, ids=str)
def test_permanent_errors(error: BaseException) -> None:
    assert not is_transient(error)
    assert not is_transient(DBAPIError("SELECT 1", None, error))


@pytest.mark.parametrize("error", TRANSIENT + PERMANENT, ids=str)
def test_a_remedy_is_fit_for_the_log_of_a_worker_that_continues(error: BaseException) -> None:
    assert "same command" not in remedy_of(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.DiskFull("could not extend file"),
        errors.IdleInTransactionSessionTimeout("terminating connection"),
        errors.IoError("could not read block"),
        errors.LockNotAvailable("canceling statement due to lock timeout"),
        errors.OutOfMemory("out of memory"),
        psycopg.OperationalError("connection failed: FATAL:  the database system is starting up"),
        psycopg.OperationalError("the connection is lost"),
        TimeoutError(),
    ],
    ids=str,
)
def test_a_command_that_such_an_error_ends_can_be_run_again(error: BaseException) -> None:
    for one in (error, DBAPIError("SELECT 1", None, error)):
        assert advice_of(one) == "then run the same command again: what was recorded is kept"
        assert "same command" not in remedy_of(one)


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidCatalogName('database "x" does not exist'),
        psycopg.OperationalError("connection failed: Connection refused"),
        UnsupportedServer("the server is PostgreSQL 13"),
        ValueError("no error of the database"),
    ],
    ids=str,
)
def test_other_errors_need_no_such_advice(error: BaseException) -> None:
    assert advice_of(error) == ""


def test_an_error_without_a_remedy_says_what_the_server_said() -> None:
    assert remedy_of(errors.UniqueViolation("duplicate\n  key")) == "duplicate key"
    assert remedy_of(TimeoutError()).endswith("(TimeoutError)")
    assert remedy_of(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    "said",
    [
        "sorry, too many clients already",
        "remaining connection slots are reserved for non-replication superuser connections",
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'too many connections for role "me"',
        "no more connections allowed (max_client_conn)",
    ],
)
def test_a_full_server_is_told_from_one_that_is_away(said: str) -> None:
    error = psycopg.OperationalError(f'connection failed: host "127.0.0.1" failed: FATAL:  {said}')
    assert remedy_of(error).startswith("the server has too many connections: raise max_connections")
    assert is_transient(error)


def test_the_values_of_a_row_are_not_quoted() -> None:
    error = errors.NotNullViolation("null value\nDETAIL:  Failing row contains (1, s3cret).")
    assert remedy_of(error) == "null value DETAIL:"


@pytest.mark.parametrize(
    "words",
    [
        "FATAL:  Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen",
        'ВАЖНО:  роль "me" не существует',
        '致命的エラー:  データベース"x"は存在しません',
    ],
)
def test_a_server_that_rejects_in_its_own_language_was_reached(words: str) -> None:
    where = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
    error = psycopg.OperationalError(f"{where}{words}")
    assert remedy_of(error).startswith("the server rejects the connection: check")
    assert words.replace("  ", " ") in remedy_of(error)
    assert is_transient(error)  # it may be starting


def test_a_server_that_is_starting_is_waited_for() -> None:
    where = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
    error = psycopg.OperationalError(f"{where}FATAL:  the database system is starting up")
    assert remedy_of(error).startswith("the server is starting or shutting down: wait for it")
    assert is_transient(error)
    refused = psycopg.OperationalError(
        f"{where}Connection refused\n\tIs the server running on that host and accepting TCP/IP"
        " connections?"
    )
    assert remedy_of(refused).startswith("the server cannot be reached")
