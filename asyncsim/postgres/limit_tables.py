"""The tables of the shared limit; `asyncsim jobs migrate` creates them."""

from __future__ import annotations

LIMIT_TABLES = (
    # One row per account: what all its processes have learnt about the vendor.
    """
    CREATE TABLE asyncsim.limits (
        account text PRIMARY KEY,
        version bigint NOT NULL DEFAULT 0,
        total double precision NOT NULL,
        falls bigint NOT NULL DEFAULT 0,
        throttled_at timestamptz,
        pauses integer NOT NULL DEFAULT 0,
        paused_until timestamptz,
        vendor_paused_until timestamptz,
        woken_at timestamptz
    ) WITH (fillfactor = 50)
    """,
    # One row per account and process. All of them change several times a second: with room in each
    # page, PostgreSQL needs neither index entries nor vacuum for that.
    """
    CREATE TABLE asyncsim.shares (
        account text NOT NULL,
        process text NOT NULL,
        demand integer NOT NULL,
        permits integer NOT NULL,
        heartbeat_at timestamptz NOT NULL,
        PRIMARY KEY (account, process)
    ) WITH (fillfactor = 50)
    """,
)
