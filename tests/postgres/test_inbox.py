"""The inbox in a real database: rows once and in full, whatever the order of their commits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from attrs import evolve
from psycopg import AsyncConnection

from asyncsim.callbacks.bus import Callback
from asyncsim.postgres import inbox
from asyncsim.postgres.engine import PostgresUrl, connect
from asyncsim.postgres.inbox import InboxPage, InboxPosition, InboxRow

Connection = AsyncConnection[Any]


def callback(name: str = "HS1", *, signed: bool = True, **params: str) -> Callback:
    return Callback.of(
        vendor="kore",
        product="supersim",
        name=name,
        nonce="n" * 24,
        signed=signed,
        method="POST",
        params={"SimStatus": "active", **params},
    )


def row(name: str) -> InboxRow:
    return InboxRow.of(callback(name), f"token of {name}")


@pytest.fixture
async def first(inbox_url: str) -> AsyncIterator[Connection]:
    async with await connect(PostgresUrl.parse(inbox_url)) as connection:
        yield connection


@pytest.fixture
async def second(inbox_url: str) -> AsyncIterator[Connection]:
    async with await connect(PostgresUrl.parse(inbox_url)) as connection:
        yield connection


async def beginning(connection: Connection) -> InboxPosition:
    return await inbox.find_beginning(connection, 300)


async def read(connection: Connection, since: InboxPosition) -> tuple[list[str], InboxPosition]:
    """Read all new rows, by their names."""
    names: list[str] = []
    page: InboxPage | None = None
    while page is None or page.is_full:
        page = await inbox.read_page(connection, since, page)
        names += [inbox.read_callback(text).name for text in page.callbacks]
    return names, InboxPosition.of(page.until)


@pytest.mark.parametrize(
    "original",
    [
        callback(SimSid="HS1", ErrorCode="33000", ErrorMessage="no, \0 \udc80 é 日本"),
        evolve(callback("depot 7/left"), signed=False, method="GET"),
    ],
)
async def test_a_callback_comes_back_as_it_was(first: Connection, original: Callback) -> None:
    since = await beginning(first)
    assert await inbox.insert(first, [InboxRow.of(original, "token")])
    (text,) = (await inbox.read_page(first, since)).callbacks
    assert inbox.read_callback(text) == original


READABLE: dict[str, Any] = {
    "vendor": "kore",
    "product": "supersim",
    "name": "HS1",
    "nonce": "n",
    "signed": True,
    "method": "POST",
    "params": {},
}
RUBBISH = [
    *("null", "[]", "{}", "1", '"x"', '{"vendor": "kore"}', "not JSON", ""),
    *("[" * 100_000 + "]" * 100_000, '{"n": ' + "9" * 5000 + "}"),
    *(json.dumps(READABLE | {name: None}) for name in READABLE),
    json.dumps(READABLE | {"signed": "yes"}),
    json.dumps(READABLE | {"name": []}),
    json.dumps(READABLE | {"params": [["a", "b"]]}),
    json.dumps(READABLE | {"params": {"ErrorCode": 5}}),
    json.dumps(READABLE)[:-1],
]


@pytest.mark.parametrize("text", RUBBISH, ids=lambda text: text[:30])
def test_a_row_that_is_no_callback_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        inbox.read_callback(text)


async def test_a_row_that_is_too_long_is_read_in_part(first: Connection) -> None:
    since = await beginning(first)
    await first.execute(
        "INSERT INTO asyncsim.inbox (key, place, callback)"
        " VALUES ('\\x01', 0, to_json(repeat('x', 3000000)))"
    )
    (text,) = (await inbox.read_page(first, since)).callbacks
    assert len(text) == inbox.LONGEST
    with pytest.raises(ValueError):
        inbox.read_callback(text)


def test_the_key_is_the_same_for_each_delivery_of_one_callback_only() -> None:
    key = InboxRow.of(callback(), "token").key
    assert InboxRow.of(callback(SimStatus="other"), "token").key == key
    assert InboxRow.of(callback(), "other").key != key
    assert InboxRow.of(evolve(callback(), nonce="m" * 24), "token").key != key
    # An unsigned callback must never make a signed one look like a duplicate.
    assert InboxRow.of(callback(signed=False), "token").key != key


def test_without_a_token_no_callback_is_a_duplicate() -> None:
    assert InboxRow.of(callback(), "").key != InboxRow.of(callback(), "").key


async def test_rows_are_stored_once_and_read_in_the_order_of_their_arrival(
    first: Connection,
) -> None:
    since = await beginning(first)
    names = [f"HS{number}" for number in range(40)]
    assert len(await inbox.insert(first, [row(name) for name in names])) == 40
    again = [row(name) for name in ("HS7", "HS40")]
    assert await inbox.insert(first, again) == {again[1].key}
    found, since = await read(first, since)
    assert found == [*names, "HS40"]
    assert (await read(first, since))[0] == []


async def test_no_row_is_missed_when_transactions_commit_in_another_order(
    first: Connection, second: Connection
) -> None:
    since = await beginning(first)
    async with second.transaction():
        await inbox.insert(second, [row("early, committed last")])
        await inbox.insert(first, [row("late, committed first")])
        found, since = await read(first, since)
        assert found == ["late, committed first"]
        found, since = await read(first, since)
        assert found == []
    found, since = await read(first, since)
    assert found == ["early, committed last"]
    assert (await read(first, since))[0] == []


async def test_rows_that_commit_between_two_pages_are_read_once(
    first: Connection, second: Connection
) -> None:
    since = await beginning(first)
    names = [f"HS{number:04}" for number in range(inbox.PAGE + 10)]
    async with second.transaction():
        await inbox.insert(second, [row("late")])
        await inbox.insert(first, [row(name) for name in names])
        page = await inbox.read_page(first, since)
        assert page.is_full
    await inbox.insert(second, [row("after")])
    rest = await inbox.read_page(first, since, page)
    found = [inbox.read_callback(text).name for text in (*page.callbacks, *rest.callbacks)]
    assert found == names
    assert (await read(first, InboxPosition.of(rest.until)))[0] == ["late", "after"]


async def test_a_long_transaction_of_another_program_holds_up_nothing(
    first: Connection, second: Connection
) -> None:
    since = await beginning(first)
    async with second.transaction():
        await second.execute("SELECT pg_current_xact_id()")  # from now on it is in progress
        for name in ("HS1", "HS2"):
            await inbox.insert(first, [row(name)])
            found, since = await read(first, since)
            assert found == [name]


async def test_a_rolled_back_insert_is_never_read(first: Connection, second: Connection) -> None:
    since = await beginning(first)
    async with second.transaction(force_rollback=True):
        await inbox.insert(second, [row("HS1")])
        _, since = await read(first, since)
    await inbox.insert(first, [row("HS2")])
    assert (await read(first, since))[0] == ["HS2"]


async def test_reading_begins_before_transactions_that_are_in_progress(
    first: Connection, second: Connection
) -> None:
    async with second.transaction():
        await inbox.insert(second, [row("in progress")])
        await inbox.insert(first, [row("there")])
        since = await beginning(first)
    assert (await read(first, since))[0] == ["in progress", "there"]


async def test_only_rows_of_the_last_minutes_are_read_at_the_beginning(
    first: Connection, second: Connection
) -> None:
    async with second.transaction():
        # In progress, as those of other tests are, whose databases are on the same server. Its
        # number is lower than those of all rows here; a row of five minutes ago has a lower one.
        await second.execute("SELECT pg_current_xact_id()")
        await inbox.insert(first, [row("old")])
        await first.execute(
            "UPDATE asyncsim.inbox SET xid = '3', arrived_at = now() - interval '301 seconds'"
        )
        await inbox.insert(first, [row("new")])
        assert (await read(first, await beginning(first)))[0] == ["new"]


async def test_rows_restored_from_another_server_are_ignored(first: Connection) -> None:
    since = await beginning(first)
    await inbox.insert(first, [row("restored")])
    await first.execute("UPDATE asyncsim.inbox SET xid = '4000000000'")
    await inbox.insert(first, [row("HS1")])
    found, since = await read(first, since)
    assert found == ["HS1"]
    assert (await read(first, since))[0] == []


async def test_batches_with_the_same_rows_in_another_order_do_not_deadlock(
    first: Connection, second: Connection
) -> None:
    for number in range(30):
        rows = [row(f"{number} {one}") for one in range(50)]
        new = await asyncio.gather(
            inbox.insert(first, rows), inbox.insert(second, list(reversed(rows)))
        )
        assert sum(map(len, new)) == 50


async def test_many_writers_and_a_reader_miss_and_double_nothing(
    inbox_url: str, first: Connection
) -> None:
    random = Random(7)
    since = await beginning(first)
    found: list[str] = []
    committed: list[str] = []

    async def write(writer: int) -> None:
        async with await connect(PostgresUrl.parse(inbox_url)) as connection:
            for number in range(25):
                name = f"{writer} {number}"
                fails = random.random() < 0.2
                async with connection.transaction(force_rollback=fails):
                    await inbox.insert(connection, [row(name)])
                    for _ in range(random.randrange(5)):  # others begin and commit meanwhile
                        await connection.execute("SELECT 1")
                if not fails:
                    committed.append(name)

    writing = asyncio.gather(*map(write, range(8)))
    while not writing.done():
        names, since = await read(first, since)
        found += names
    await writing
    found += (await read(first, since))[0]
    assert sorted(found) == sorted(committed)
    assert len(committed) > 100


async def test_old_rows_are_purged_in_small_batches(
    first: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inbox.insert(first, [row(f"old {number}") for number in range(inbox.PURGED_AT_ONCE + 5)])
    await first.execute("UPDATE asyncsim.inbox SET arrived_at = now() - interval '2 hours'")
    await inbox.insert(first, [row("new")])
    counts = [await inbox.purge(first, 3600) for _ in range(3)]
    assert counts == [inbox.PURGED_AT_ONCE, 5, 0]
    assert (await read(first, InboxPosition(0)))[0] == ["new"]


async def test_rows_that_another_process_purges_are_left_to_it(
    first: Connection, second: Connection
) -> None:
    await inbox.insert(first, [row("HS1")])
    await first.execute("UPDATE asyncsim.inbox SET arrived_at = now() - interval '2 hours'")
    async with second.transaction():
        assert await inbox.purge(second, 3600) == 1
        assert await inbox.purge(first, 3600) == 0


async def test_the_table_holds_no_secret(first: Connection) -> None:
    await inbox.insert(first, [row("HS1")])
    cursor = await first.execute("SELECT inbox::text FROM asyncsim.inbox")
    (stored,) = await cursor.fetchone() or ("",)
    assert "HS1" in stored
    assert "token of" not in stored
