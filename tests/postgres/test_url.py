"""URLs of PostgreSQL: what libpq gets, and what people see."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from psycopg.conninfo import conninfo_to_dict

from asyncsim.errors import ConfigurationError
from asyncsim.postgres.url import PostgresUrl, is_postgres_url

SHOWN = {
    "postgresql://host/db": "postgresql://host/db",
    "postgres://me@host/db": "postgresql://me@host/db",
    "PostgreSQL://me:s3cret@host:5432/db": "postgresql://me@host:5432/db",
    "postgresql://me:s3cret@[::1]:5432/db": "postgresql://me@[::1]:5432/db",
    "postgresql://me:s3%2Fcret@a:1,b:2/db?target_session_attrs=read-write": (
        "postgresql://me@a:1,b:2/db?target_session_attrs=read-write"
    ),
    "postgresql:///db?host=/run/postgresql&password=s3cret": (
        "postgresql:///db?host=/run/postgresql"
    ),
    "postgresql://me@host/db?sslmode=verify-full&sslpassword=s3cret&sslkey=/k": (
        "postgresql://me@host/db?sslmode=verify-full&sslkey=/k"
    ),
    "postgresql://h/db?oauth_client_secret=s3cret&scram_client_key=s3cret": "postgresql://h/db",
    "postgresql://": "postgresql://",
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_url_is_shown_without_its_secrets(text: str) -> None:
    url = PostgresUrl.parse(text)
    assert url.shown == str(url) == SHOWN[text]
    assert "s3" not in repr(url)
    assert is_postgres_url(text)


def test_libpq_gets_the_whole_url() -> None:
    url = PostgresUrl.parse("POSTGRES://me:s3%40cret@host:5/db?sslmode=require")
    assert conninfo_to_dict(url.libpq) == {
        "user": "me",
        "password": "s3@cret",
        "host": "host",
        "port": "5",
        "dbname": "db",
        "sslmode": "require",
    }
    assert PostgresUrl.parse(url) is url


@pytest.mark.parametrize(
    "text",
    [
        "jobs.db",
        "mysql://me:s3cret@host/db",
        "postgresql://me:s3/cret@host/db",
        "postgresql://me:12/s3cret@host/db",
        "postgresql://me:12?s3cret@host/db",
        "postgresql://me:12#s3cret@host/db",
        "postgresql://me:s3cret@host:port/db",
        "postgresql://host/db?password",
        "postgresql://[me:s3cret@host/db",
    ],
)
def test_a_url_that_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError, match="its form is postgresql://USER@HOST") as raised:
        PostgresUrl.parse(text)
    assert "s3" not in str(raised.value)
    assert raised.value.__cause__ is None


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6))
def test_no_password_is_ever_shown(password: str) -> None:
    marked = f"<{password}>"  # found nowhere else in the URL
    try:
        shown = PostgresUrl.parse(f"postgresql://me:{marked}@host/db").shown
    except ConfigurationError as error:
        shown = str(error)
    assert password not in shown.removeprefix("postgresql://me@host")
