"""TLS with a certificate that is verified, to a server that accepts nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import trustme

from asyncsim.postgres.engine import connect, create_engine, is_transient, remedy_of
from asyncsim.postgres.listen import listening
from tests.postgres.cluster import OWNER, Cluster
from tests.postgres.test_listen import Woken, notify


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(postgres_cluster: Callable[..., Cluster], authority: trustme.CA) -> Cluster:
    """A server with a certificate for `localhost` that rejects connections without TLS."""
    cluster = postgres_cluster()
    issued = authority.issue_cert("localhost")
    key, certificate = cluster.data / "server.key", cluster.data / "server.crt"
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    for path in (key, certificate):
        cluster.give_away(path)
    (cluster.data / "pg_hba.conf").write_text(
        "hostssl all all 127.0.0.1/32 scram-sha-256\n", "utf-8"
    )
    cluster.settings["ssl"] = "on"
    cluster.restart()
    return cluster


async def test_a_verified_connection(
    server: Cluster, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root.crt"
    authority.cert_pem.write_to_path(root)
    url = f"postgresql://{OWNER}:{server.password}@localhost:{server.port}/postgres"
    verified = f"{url}?sslmode=verify-full&sslrootcert={root}"
    query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    async with await connect(verified) as connection:
        assert await (await connection.execute(query)).fetchone() == (True, "TLSv1.3")
    engine = create_engine(verified)
    async with engine.connect() as pooled:
        assert (await pooled.exec_driver_sql(query)).one() == (True, "TLSv1.3")
    await engine.dispose()
    woken = Woken()
    async with listening(verified, "one", woken):
        await woken.until(1)
        notify(verified, "one")
        await woken.until(2)
    # libpq of the wheel has no authorities of its own: it finds the system's by this variable.
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    async with await connect(f"{url}?sslmode=verify-full&sslrootcert=system") as connection:
        assert await (await connection.execute(query)).fetchone() == (True, "TLSv1.3")
    # The same by libpq's variables, as containers set them: the URL has neither path nor secret.
    monkeypatch.setenv("PGSSLROOTCERT", str(root))
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGPASSWORD", server.password)
    async with await connect(
        f"postgresql://{OWNER}@localhost:{server.port}/postgres"
    ) as connection:
        assert await (await connection.execute(query)).fetchone() == (True, "TLSv1.3")


async def test_certificates_that_are_not_accepted(
    server: Cluster, authority: trustme.CA, tmp_path: Path
) -> None:
    right, other = tmp_path / "root.crt", tmp_path / "other.crt"
    authority.cert_pem.write_to_path(right)
    trustme.CA().cert_pem.write_to_path(other)
    url = f"postgresql://{OWNER}:{server.password}@{{}}:{server.port}/postgres?sslmode=verify-full"
    for host, root in (
        ("localhost", other),  # another authority
        ("127.0.0.1", right),  # a name that the certificate does not have
        ("localhost", tmp_path / "missing.crt"),
    ):
        with pytest.raises(psycopg.OperationalError) as raised:
            await connect(f"{url.format(host)}&sslrootcert={root}")
        assert remedy_of(raised.value).startswith("the server's TLS certificate is not accepted")
        assert not is_transient(raised.value)


async def test_a_server_that_insists_on_tls(server: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        await connect(f"{server.url(user=OWNER)}?sslmode=disable")
    assert remedy_of(raised.value).startswith("the server rejects the user")
    assert "no encryption" in remedy_of(raised.value)
    assert not is_transient(raised.value)
