"""Connections to PostgreSQL, with asyncsim's settings.

psycopg is imported here, SQLAlchemy only for an engine; `url.py` needs neither.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

try:
    import psycopg
except ImportError as error:  # or it finds no libpq
    raise ModuleNotFoundError(
        'PostgreSQL needs an extra; install it with: pip install "asyncsim[postgres]"',
        name=error.name,
    ) from error
from psycopg.conninfo import conninfo_to_dict

from asyncsim.postgres.remedies import (
    OLDEST,
    UnsupportedServer,
    advice_of,
    check_encoding,
    check_version,
    is_locked,
    is_transient,
    remedy_of,
)
from asyncsim.postgres.url import PostgresUrl, is_database

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "FAILURES",
    "OLDEST",
    "SCHEMA",
    "Connection",
    "PostgresUrl",
    "UnsupportedServer",
    "advice_of",
    "check_encoding",
    "check_version",
    "connect",
    "connection_settings",
    "create_engine",
    "is_database",
    "is_locked",
    "is_transient",
    "remedy_of",
    "use_iso_dates",
]

Connection = psycopg.AsyncConnection[Any]

FAILURES = (psycopg.Error, OSError)
"""What is raised if a database rejects something, cannot be reached or does not respond in time."""

SCHEMA = "asyncsim"
"""The schema of all tables. Statements name it, and never rely on `search_path`."""

# A lost host is noticed after 5 + 2 * 2 seconds while idle, and 6 seconds after something was sent:
# a chunk's lease lasts no longer.
_DEFAULTS = {
    "application_name": "asyncsim",
    # For each host of the URL. Uses have at least five seconds: enough for the next one.
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 6000,
}
# A process that is frozen within a transaction must not keep its locks, and nothing may wait for
# ever for a table that an administrator has locked. psycopg reads times in the style ISO only.
_SESSION = "-c idle_in_transaction_session_timeout=5s -c lock_timeout=10s -c datestyle=ISO"

# URLs of servers that reject `options`: pgbouncer, whose sessions are shared.
_without_options: set[str] = set()


def connection_settings(url: str | PostgresUrl) -> dict[str, Any]:
    """Return the keywords for psycopg in addition to the URL.

    Parameters of the URL take precedence, except `client_encoding`: psycopg uses it for all texts.
    """
    url = PostgresUrl.parse(url)
    chosen = conninfo_to_dict(url.libpq)
    settings: dict[str, Any] = {key: value for key, value in _DEFAULTS.items() if key not in chosen}
    if url.libpq not in _without_options:
        given = chosen.get("options", os.environ.get("PGOPTIONS", ""))
        settings["options"] = f"{_SESSION} {given}".strip()
    settings["client_encoding"] = "UTF8"
    # No prepared statements: pgbouncer may run the next transaction in another session.
    settings["prepare_threshold"] = None
    return settings


async def connect(url: str | PostgresUrl, *, autocommit: bool = True) -> Connection:
    """Open a connection; raises `psycopg.Error`, which `remedy_of` explains."""
    url = PostgresUrl.parse(url)
    with_options = url.libpq not in _without_options
    try:
        connection = await _open(url, autocommit)
    except psycopg.OperationalError as error:
        # pgbouncer before 1.20, and newer ones for settings that they do not track. Its own
        # `idle_transaction_timeout`, or `ALTER ROLE ... SET`, does the same (docs/postgresql.md).
        if not with_options or "unsupported startup parameter" not in str(error):
            raise
        _without_options.add(url.libpq)
        connection = await _open(url, autocommit)
    try:
        check_version(connection.info.server_version)
        check_encoding(connection.info.parameter_status("server_encoding"))
        await use_iso_dates(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def use_iso_dates(connection: Connection) -> None:
    """Set DateStyle where `options` did not: pgbouncer rejects them, PGDATESTYLE overrides them."""
    if not (connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
        await connection.execute("SET datestyle TO ISO")
        await connection.commit()


async def _open(url: PostgresUrl, autocommit: bool) -> Connection:
    try:
        return await psycopg.AsyncConnection.connect(
            url.libpq, autocommit=autocommit, **connection_settings(url)
        )
    except psycopg.Error as error:
        error.args = tuple(url.hide(str(one)) for one in error.args)
        raise


def create_engine(
    url: str | PostgresUrl,
    *,
    connections: int = 8,
    to_json: Any = json.dumps,
    from_json: Any = json.loads,
) -> AsyncEngine:
    """Return an engine of SQLAlchemy that puts tables without a schema into `SCHEMA`.

    It opens no connection yet, and later at most `connections`; further uses wait for one.
    """
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    parsed = PostgresUrl.parse(url)

    async def opened(*_: Any, **__: Any) -> Connection:
        return await connect(parsed, autocommit=False)

    return create_async_engine(
        # libpq reads the URL, not SQLAlchemy: it supports several hosts, and hides the password.
        "postgresql+psycopg://",
        async_creator=opened,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # errors would show them, and some are secrets
        json_serializer=to_json,
        json_deserializer=from_json,
        execution_options={"schema_translate_map": {None: SCHEMA}},
    )
