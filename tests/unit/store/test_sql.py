"""What both databases share: one order of writes, and errors as ours."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DatabaseError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import AntiphonError, InvalidRequest, ProviderBusy, ProviderUnavailable
from antiphon.store.opening import make_store
from antiphon.store.sql import SqlStore, translated
from tests.postgres import migrated

ITEM = StoredItem("t", "s", "i", 1, 1, b"{}", 1.0)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = ""
    if request.param == "postgresql":
        url = (await migrated(request.getfixturevalue("postgres_url"))).url("antiphon_app")
    made = make_store(url, tmp_path)
    await made.start()
    yield made
    await made.close()


WRONG: dict[str, dict[str, Any]] = {
    "a time that is none": {"created_at": "yesterday"},
    "a number beyond 64 bits": {"revision": 2**70},
    "content that is not UTF-8": {"content": b"\xff"},
    "half a character": {"item_id": "\ud83d"},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_value_is_refused_and_nothing_of_its_batch_is_written(store: SqlStore, wrong: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await store.record([Unit(items=(ITEM,)), Unit(items=(replace(ITEM, **{"item_id": "j", **WRONG[wrong]}),))])
    assert refused.value.code == "row_refused"
    assert await store.items("t", "s") == []


async def test_writers_of_the_same_rows_in_any_order_do_not_block_each_other(store: SqlStore) -> None:
    chance = random.Random(1)
    rows = [replace(ITEM, tenant=f"t{number % 3}", item_id=f"i{number}") for number in range(60)]

    waits: list[str] = []

    async def write(revision: int) -> None:
        own = [replace(row, revision=revision) for row in rows]
        chance.shuffle(own)
        while True:
            try:
                return await store.record([Unit(items=(row,)) for row in own])
            except ProviderBusy as error:
                waits.append(str(error.__cause__))

    await asyncio.gather(*(write(revision) for revision in range(1, 13)))
    assert [one for one in waits if "deadlock" in one] == []
    assert {item.revision for item in await store.items("t0", "s")} == {12}


async def test_a_statement_that_fails_is_an_error_of_ours(store: SqlStore) -> None:
    async def work(connection: Any) -> None:
        await connection.execute(sa.text("SELECT * FROM nowhere"))

    with pytest.raises(ProviderUnavailable, match="nowhere"):
        await store.transact(work)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PoolTimeout("QueuePool limit reached"), ProviderUnavailable),
        (OSError(111, "Connection refused"), ProviderUnavailable),
        (TimeoutError(), ProviderUnavailable),
        (OverflowError("too large"), InvalidRequest),
        (OperationalError("", None, sqlite3.OperationalError("database is locked")), ProviderBusy),
        (OperationalError("", None, sqlite3.OperationalError("database or disk is full")), ProviderUnavailable),
        (DatabaseError("", None, sqlite3.DatabaseError("database disk image is malformed")), ProviderUnavailable),
        (
            InterfaceError("", None, AsyncAdapt_asyncpg_dbapi.InterfaceError("connection is closed")),
            ProviderUnavailable,
        ),
        (InterfaceError("", None, sqlite3.InterfaceError("Error binding parameter 1")), InvalidRequest),
        (IntegrityError("", None, sqlite3.IntegrityError("CHECK constraint failed")), InvalidRequest),
    ],
)
def test_only_what_can_never_be_written_is_refused_for_good(error: Exception, kind: type[AntiphonError]) -> None:
    assert type(translated(error)) is kind


async def test_a_closed_store_says_so(store: SqlStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(AntiphonError, match="closed") as refused:
        await store.items("t", "s")
    assert refused.value.code == "store_unavailable"
