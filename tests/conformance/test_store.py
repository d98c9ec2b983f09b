"""What every `Store` promises. An adapter joins in `store`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import AntiphonError, InvalidRequest
from antiphon.ports.store import Store
from antiphon.store.postgres import PostgresStore
from antiphon.store.sqlite import SqliteStore
from tests.postgres import address, migrated


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "history.db")
    else:
        database = await migrated(request.getfixturevalue("postgres_url"))
        made = PostgresStore(address(database.url("antiphon_app")))
    await made.start()
    yield made
    await made.close()


def item(position: int, *, revision: int = 1, tenant: str = "t", session: str = "s", text: str = "") -> StoredItem:
    content = f'{{"text": "{text or position}"}}'.encode()
    return StoredItem(tenant, session, f"item_{position:05}", position, revision, content, 1000.5 + position)


def units(rows: Iterable[StoredItem]) -> list[Unit]:
    return [Unit(items=(row,)) for row in rows]


async def positions(
    store: Store, *, limit: int = 100, beyond: int | None = None, oldest_first: bool = False
) -> list[int]:
    place = None if beyond is None else (beyond, f"item_{beyond:05}")
    found = await store.items("t", "s", limit=limit, beyond=place, oldest_first=oldest_first)
    return [item.position for item in found]


async def test_recorded_items_come_back_as_they_were_newest_first(store: Store) -> None:
    rows = [item(number, text='Grüße 🎉 \\"quoted\\" \\u0000') for number in range(5)]
    await store.record(units(rows))
    assert await store.items("t", "s") == list(reversed(rows))
    assert await store.items("t", "s", oldest_first=True) == rows


async def test_the_newest_items_are_paged_backwards(store: Store) -> None:
    await store.record(units([item(number) for number in range(1, 251)]))
    assert await positions(store) == list(range(250, 150, -1))
    assert await positions(store, beyond=151) == list(range(150, 50, -1))
    assert await positions(store, beyond=51) == list(range(50, 0, -1))
    assert await positions(store, beyond=1) == []
    assert await positions(store, limit=3) == [250, 249, 248]
    assert await positions(store, limit=3, oldest_first=True) == [1, 2, 3]
    assert await positions(store, limit=3, beyond=248, oldest_first=True) == [249, 250]


async def test_the_same_row_twice_makes_one(store: Store) -> None:
    await store.record(units([item(1), item(1)]))
    await store.record(units([item(1)]))
    assert await store.items("t", "s") == [item(1)]


async def test_a_newer_revision_replaces_an_older_one(store: Store) -> None:
    await store.record(units([item(1, revision=1, text="draft")]))
    await store.record(units([item(1, revision=2, text="final")]))
    assert await store.items("t", "s") == [item(1, revision=2, text="final")]


async def test_an_older_revision_after_a_newer_one_changes_nothing(store: Store) -> None:
    await store.record(units([item(1, revision=5, text="final")]))
    await store.record(units([item(1, revision=4, text="draft"), item(1, revision=5, text="other")]))
    assert await store.items("t", "s") == [item(1, revision=5, text="final")]


async def test_revisions_in_one_batch_end_with_the_newest_whatever_their_order(store: Store) -> None:
    rows = [item(1, revision=number, text=str(number)) for number in range(20)]
    random.Random(7).shuffle(rows)
    await store.record(units(rows))
    assert await store.items("t", "s") == [item(1, revision=19, text="19")]


async def test_a_deleted_item_is_not_listed_and_does_not_come_back(store: Store) -> None:
    await store.record(units([item(1), item(2)]))
    await store.record(units([replace(item(1, revision=2), deleted=True)]))
    await store.record(units([item(1)]))
    assert await positions(store) == [2]


async def test_an_item_that_moved_is_listed_once_at_its_new_place(store: Store) -> None:
    await store.record(units([item(1), item(2)]))
    await store.record(units([replace(item(1, revision=2), position=3)]))
    assert await positions(store) == [3, 2]


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    await store.record(units([item(1, text="mine"), item(1, tenant="other", text="theirs")]))
    assert await store.items("t", "s") == [item(1, text="mine")]
    assert await store.items("other", "s") == [item(1, tenant="other", text="theirs")]
    assert await store.items("nobody", "s") == []
    await store.record(units([replace(item(1, revision=9, tenant="other"), deleted=True)]))
    assert await store.items("t", "s") == [item(1, text="mine")]


async def test_sessions_do_not_mix(store: Store) -> None:
    await store.record(units([item(1), item(1, session="s2", text="second")]))
    assert await store.items("t", "s2") == [item(1, session="s2", text="second")]


async def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    broken = replace(item(2), content=b"\xff\xfe not text")
    with pytest.raises(InvalidRequest):
        await store.record(units([item(1), broken, item(3)]))
    assert await positions(store) == []


async def test_a_number_beyond_the_database_is_refused(store: Store) -> None:
    with pytest.raises(InvalidRequest):
        await store.record(units([item(1), replace(item(2), position=2**70)]))
    assert await positions(store) == []


async def test_nothing_to_record_is_no_error(store: Store) -> None:
    await store.record(units([]))
    assert await positions(store) == []


async def test_writers_and_readers_at_once_lose_nothing(store: Store) -> None:
    async def write(start: int) -> None:
        for number in range(start, start + 20):
            await store.record(units([item(number)]))

    async def read() -> None:
        for _ in range(20):
            found = await positions(store, limit=1000, oldest_first=True)
            assert found == sorted(found)

    await asyncio.gather(*(write(start) for start in (0, 100, 200)), read(), read())
    assert len(await positions(store, limit=1000)) == 60


async def test_rows_survive_closing_and_opening(store: Store) -> None:
    await store.record(units([item(1)]))
    await store.close()
    await store.close()
    await store.start()
    assert await store.items("t", "s") == [item(1)]


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(AntiphonError):
        await store.record(units([item(1)]))
    with pytest.raises(AntiphonError):
        await store.items("t", "s")


async def test_a_look_says_nothing_while_the_store_works_and_fails_once_it_is_closed(store: Store) -> None:
    await store.check()
    await store.close()
    with pytest.raises(AntiphonError):
        await store.check()
