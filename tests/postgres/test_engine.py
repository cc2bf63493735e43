"""Connections and engines, with the settings that all of ours have."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import DBAPIError

from asyncsim.postgres.engine import (
    PostgresUrl,
    connect,
    connection_settings,
    create_engine,
    is_transient,
)

NUMBERS = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))


async def test_a_connection_has_our_settings(postgres_url: str) -> None:
    async with await connect(postgres_url) as connection:
        found = [
            await (await connection.execute(f"SHOW {name}")).fetchone()
            for name in ("application_name", "idle_in_transaction_session_timeout", "lock_timeout")
        ]
        parameters = connection.info.get_parameters()
        assert connection.autocommit
        assert connection.prepare_threshold is None
    assert found == [("asyncsim",), ("5s",), ("10s",)]
    assert (parameters["tcp_user_timeout"], parameters["keepalives_idle"]) == ("6000", "5")


async def test_settings_in_the_url_take_precedence(postgres_url: str) -> None:
    url = f"{postgres_url}?application_name=mine&keepalives_idle=60&options=-c%20work_mem%3D5MB"
    async with await connect(url) as connection:
        rows = [
            await (await connection.execute(f"SHOW {name}")).fetchone()
            for name in ("application_name", "work_mem", "idle_in_transaction_session_timeout")
        ]
    assert rows == [("mine",), ("5MB",), ("5s",)]
    assert "keepalives_idle" not in connection_settings(url)
    # Whoever sets the limit itself, in `options`, has the last word.
    url = f"{postgres_url}?options=-c%20idle_in_transaction_session_timeout%3D7s"
    async with await connect(url) as connection:
        cursor = await connection.execute("SHOW idle_in_transaction_session_timeout")
        assert await cursor.fetchone() == ("7s",)


async def test_tables_of_an_engine_are_in_our_schema(postgres_url: str) -> None:
    engine = create_engine(postgres_url, connections=2)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("CREATE SCHEMA asyncsim CREATE TABLE numbers (number int)")
        # Whatever search_path says.
        other.execute(
            f"ALTER ROLE CURRENT_USER IN DATABASE {other.info.dbname} SET search_path = pg_catalog"
        )
        async with engine.begin() as connection:
            await connection.execute(insert(NUMBERS), [{"number": 1}, {"number": 2}])
            assert other.execute("SELECT count(*) FROM asyncsim.numbers").fetchone() == (0,)
        async with engine.connect() as connection:
            assert (await connection.scalars(select(NUMBERS.c.number))).all() == [1, 2]
    await engine.dispose()
    password = psycopg.conninfo.conninfo_to_dict(postgres_url)["password"]
    assert str(password) not in repr(engine)


async def test_a_pool_recovers_from_lost_connections(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    async with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            await connection.exec_driver_sql("SELECT 1")
    with psycopg.connect(postgres_url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(DBAPIError) as raised:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT 1")
    assert is_transient(raised.value)
    # The first loss discards all of them, so the next attempt does not meet another.
    async with engine.begin() as connection:
        assert (await connection.exec_driver_sql("SELECT 1")).scalar_one() == 1
    await engine.dispose()


async def test_urls_of_sqlalchemy_are_accepted(postgres_url: str) -> None:
    async with await connect(postgres_url.replace("://", "+psycopg://", 1)) as connection:
        assert connection.info.dbname == postgres_url.rpartition("/")[2]


async def test_urls_are_accepted_as_text_and_parsed(postgres_url: str) -> None:
    async with await connect(PostgresUrl.parse(postgres_url), autocommit=False) as connection:
        assert not connection.autocommit
