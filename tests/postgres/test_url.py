"""URLs of PostgreSQL: what libpq gets, and what people see."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, strategies as st
from psycopg.conninfo import conninfo_to_dict

from asyncsim import PostgresBus, PostgresLimit
from asyncsim.bulk import SharedJobs
from asyncsim.errors import ConfigurationError
from asyncsim.postgres.url import PostgresUrl, is_database

SHOWN = {
    "postgresql://host/db": "postgresql://host/db",
    "postgres://me@host/db": "postgresql://me@host/db",
    "PostgreSQL://me:s3cret@host:5432/db": "postgresql://me@host:5432/db",
    "postgresql+psycopg://me:s3cret@host/db": "postgresql://me@host/db",
    "Postgres+asyncpg://me:s3cret@host/db": "postgresql://me@host/db",
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
    "postgresql://me:s3cret@h/db?pasword=s3cret": "postgresql://me@h/db",
    "postgresql://me:s3:cr%40et@h/db": "postgresql://me@h/db",
    "postgresql://me:s3cret@%2Frun%2Fpostgresql/db": "postgresql://me@%2Frun%2Fpostgresql/db",
    "postgresql://me@h/db?sslrootcert=/etc/ca.pem": "postgresql://me@h/db?sslrootcert=/etc/ca.pem",
    " postgresql://me:s3cret@h/db\n": "postgresql://me@h/db",
    "postgresql://": "postgresql://",
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_url_is_shown_without_its_secrets(text: str) -> None:
    url = PostgresUrl.parse(text)
    assert url.shown == str(url) == SHOWN[text]
    assert "s3" not in repr(url)
    assert url.has_secret == ("s3" in text)
    assert is_database(text)


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
    url = PostgresUrl.parse("postgresql+psycopg://me@host/db")
    assert url.libpq == "postgresql://me@host/db"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:s3/cret@host/db",
        "postgresql://me:12/s3cret@host/db",
        "postgresql://me:12?s3cret@host/db",
        "postgresql://me:12#s3cret@host/db",
        "postgresql://me:s3cret@host:port/db",
        "postgresql://host/db?password",
        "postgresql://me:s3cret@[host/db",
        "postgresql://me:s3%cret@host/db",
        "postgresql://me:s3%zzcret@host/db",
        "postgresql://me:s3cret%00@host/db",
        "postgresql://me:s3cret%ff@host/db",
        "postgresql://me:s3cret%@host/db",
        "postgresql://me:s3@cr@et@host/db",
        "postgresql://me:12?a=s3cret@host/db",
        "postgresql://me:12?a=1&b=s3cret@host/db",
        "postgresql://me:s3 cret@host/db",
        "postgresql://me:s3cret@host/db extra",
        "postgresql://me:s3\ncret@host/db",
        "postgresql://s3cret:99999999",
    ],
)
def test_a_url_that_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write postgresql://USER@HOST") as raised:
        PostgresUrl.parse(text)
    assert "s3" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "jobs.db",
        "mysql://me:s3cret@host/db",
        "mysql+psycopg://me:s3cret@host/db",
        "postgresql:/me:s3cret@host/db",
        "host=h user=me password=s3cret",
        "jdbc:postgresql://host/db?user=me&password=s3cret",
        "s3cret@postgresql://host/db",
    ],
)
def test_a_url_of_something_else_is_told_which_scheme_is_needed(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with postgresql://") as raised:
        PostgresUrl.parse(text)
    assert "write postgresql://USER@HOST:PORT/DATABASE" in str(raised.value)
    assert "s3" not in str(raised.value)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6))
def test_no_password_is_ever_shown(password: str) -> None:
    marked = f"<{password}>"  # found nowhere else in the URL
    try:
        shown = PostgresUrl.parse(f"postgresql://me:{marked}@host/db").shown
    except ConfigurationError as error:
        shown = str(error)
    else:
        seen = conninfo_to_dict(PostgresUrl.parse(f"postgresql://me:{marked}@host/db").libpq)
        assert seen == {"user": "me", "password": unquote(marked), "host": "host", "dbname": "db"}
    assert password not in shown.removeprefix("postgresql://me@host")


def test_databases_are_told_from_files() -> None:
    for text in ("mysql://h/d", "postgresql:/h", "host=h Password = x", "POSTGRES://h"):
        assert is_database(text)
    for text in ("batch.db", "c:/batch.db", "c:\\batch.db", "/tmp/a:b/c.db", "./passwords.db"):
        assert not is_database(text)


def test_a_driver_does_not_show_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "of the environment")
    url = PostgresUrl.parse("postgresql://me:s3%40cret@host/db?sslpassword=s3-too")
    assert isinstance(url, PostgresUrl)
    said = "s3%40cret, s3@cret, s3-too or of the environment"
    assert url.hide(f"me: {said}") == "me: [hidden], [hidden], [hidden] or [hidden]"
    # One that is shown as the user's name is no secret, and a short one is found anywhere.
    both = PostgresUrl.parse("postgresql://postgres:postgres@host/db?password=a")
    assert isinstance(both, PostgresUrl)
    assert both.hide('user "postgres" has no password') == 'user "postgres" has no password'


def test_a_url_that_is_no_text_is_rejected() -> None:
    unset: Any = None  # of an environment variable that is not set
    for take in (PostgresBus, PostgresLimit, PostgresUrl.parse):
        with pytest.raises(TypeError, match="the PostgreSQL URL must be text, not NoneType"):
            take(unset)
    with pytest.raises(TypeError, match="the path or URL of a journal must be text, not NoneType"):
        SharedJobs(unset)
