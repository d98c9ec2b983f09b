"""Migrations, on both databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import ischema_names

from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import AntiphonError, InvalidRequest, ProviderUnavailable
from antiphon.store.migrate import downgrade, upgrade
from antiphon.store.opening import make_store, opened_by_owner
from antiphon.store.postgres import PostgresStore
from antiphon.store.schema import HEAD, KNOWN
from antiphon.store.sqlite import SqliteStore
from antiphon.store.tables import metadata
from tests.postgres import create

Owner = SqliteStore | PostgresStore
ITEM = StoredItem("t", "s", "item_1", 1, 1, b'{"text": "Gr\xc3\xbc\xc3\x9fe"}', 1000.5)


class Place:
    """An empty database."""

    def __init__(self, folder: Path, url: str, owner_url: str, superuser_url: str) -> None:
        self._folder = folder
        self.url, self.owner_url, self._superuser_url = url, owner_url, superuser_url

    def owner(self) -> AbstractAsyncContextManager[Owner]:
        return opened_by_owner(self.url, self.owner_url, self._folder)

    def store(self) -> Owner:
        return make_store(self.url, self._folder)

    @asynccontextmanager
    async def everybody(self) -> AsyncIterator[Owner]:
        """As one who sees all rows."""
        async with opened_by_owner(self.url, self._superuser_url, self._folder) as store:
            yield store


@pytest.fixture(params=["sqlite", "postgresql", "pgvector"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, f"sqlite:///{tmp_path}/rows.db", "", "")
    made = await create(request.getfixturevalue("postgres_url"), vectors=request.param == "pgvector")
    return Place(tmp_path, made.url("antiphon_app"), made.url("antiphon_owner"), made.url("postgres"))


async def run(store: Owner, work: Callable[[Connection], Any]) -> Any:
    """Run ``work`` in a transaction; returns its result."""
    found: list[Any] = []
    await store.migrate(lambda connection: found.append(work(connection)))
    return found[0]


def execute(statement: str, **values: object) -> Callable[[Connection], Any]:
    def work(connection: Connection) -> Any:
        result = connection.execute(sa.text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else result.rowcount

    return work


VECTORS = {
    "sqlite": ("BLOB", []),
    "postgresql": ("BYTEA", []),
    "pgvector": ("HALFVEC(384)", [("remove_index", "ltm_embeddings_by_vector")]),
}
"""The type of vectors in each kind of database, and what only that kind has."""


class HalfVector(sa.types.UserDefinedType[str]):
    """A type of pgvector, which the comparison reads."""

    cache_ok = True

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions

    def get_col_spec(self) -> str:
        return f"HALFVEC({self._dimensions})"


async def test_the_newest_revision_has_the_tables_that_queries_use(
    place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ischema_names, "halfvec", HalfVector)
    type_of_vectors, expected = VECTORS[request.node.callspec.params["place"]]
    found_types: list[str] = []

    def compare_type(context: MigrationContext, _: Any, column: sa.Column[Any], found: Any, __: Any) -> bool | None:
        if column.name != "embedding":
            return None
        found_types.append(found.compile(context.dialect))
        return False

    async with place.owner() as owner:
        await owner.upgrade()
        assert await owner.revision() == HEAD == KNOWN[-1]

        def differences(connection: Connection) -> list[Any]:
            options = {"compare_type": compare_type, "compare_server_default": False}
            found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
            return [one for one in found if "_partition_" not in repr(one)]

        assert [(one[0], one[1].name) for one in await run(owner, differences)] == expected
    assert found_types == [type_of_vectors]


async def test_up_down_and_up_again_with_rows_keeps_the_items(place: Place) -> None:
    async with place.owner() as owner:
        await owner.upgrade()
        store = place.store()
        await store.start()
        await store.record([Unit((ITEM,))])
        await store.close()
        await owner.migrate(partial(downgrade, revision="0001"))
        assert await owner.revision() == "0001"
        statement = "INSERT INTO conversation_items VALUES ('t', 's', 'item_2', 2, 1, '{}', 1001.5, false)"
        assert await run(owner, execute(statement)) == 1
        await owner.upgrade()
        store = place.store()
        await store.start()
        assert await store.items("t", "s", oldest_first=True) == [
            ITEM,
            StoredItem("t", "s", "item_2", 2, 1, b"{}", 1001.5),
        ]
        await store.close()
        await owner.migrate(partial(downgrade, revision="base"))
        assert await owner.revision() == ""
        await owner.upgrade()
        assert await owner.revision() == HEAD


async def test_of_processes_that_start_together_one_migrates(place: Place) -> None:
    async def start() -> None:
        async with place.owner() as owner:
            await owner.upgrade()

    await asyncio.gather(*(start() for _ in range(6)))
    store = place.store()
    await store.start()
    await store.record([Unit((ITEM,))])
    assert await store.items("t", "s") == [ITEM]
    await store.close()


async def test_a_migration_that_fails_changes_nothing(place: Place) -> None:
    async with place.owner() as owner:
        await owner.migrate(partial(upgrade, revision="0001"))
        await run(owner, execute("CREATE TABLE usage_records (is_somebody_elses int)"))
        with pytest.raises(AntiphonError):
            await owner.upgrade()
        assert await owner.revision() == "0001"
        await run(owner, execute("DROP TABLE usage_records"))
        await owner.upgrade()
        assert await owner.revision() == HEAD


async def test_the_schema_of_a_newer_release_is_left_alone(place: Place) -> None:
    async with place.owner() as owner:
        await owner.upgrade()
        await run(owner, execute("UPDATE alembic_version SET version_num = '9999'"))
        for change in (upgrade, partial(downgrade, revision="0001")):
            with pytest.raises(ProviderUnavailable, match=r"newer release .schema 9999") as refused:
                await owner.migrate(change)
            assert refused.value.code == "store_too_new"
        store = place.store()
        with pytest.raises(ProviderUnavailable, match="newer release"):
            await store.start()
        assert await run(owner, execute("SELECT version_num FROM alembic_version")) == [("9999",)]


async def test_a_table_of_somebody_else_is_not_dropped(place: Place) -> None:
    async with place.owner() as owner:
        await run(owner, execute("CREATE TABLE sessions (sid text, cart text)"))
        await run(owner, execute("INSERT INTO sessions VALUES ('1', 'apples')"))
        with pytest.raises(AntiphonError):
            await owner.upgrade()
        assert await run(owner, execute("SELECT cart FROM sessions")) == [("apples",)]
        assert await owner.revision() == ""


@pytest.mark.parametrize("revision", ["0009", "nobody", "", "0001:0002"])
async def test_an_unknown_revision_is_named(place: Place, revision: str) -> None:
    async with place.owner() as owner:
        with pytest.raises(InvalidRequest) as refused:
            await owner.migrate(partial(upgrade, revision=revision))
        assert refused.value.code == "unknown_revision"
        assert refused.value.param == "revision"


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_logs SET outcome = 'allowed'", "DELETE FROM audit_logs", "TRUNCATE audit_logs"]
)
async def test_the_audit_log_is_append_only_for_seven_years(place: Place, statement: str) -> None:
    async with place.owner() as owner:
        await owner.upgrade()
    columns = "tenant_id, event_id, action, outcome, created_at"
    insert = f"INSERT INTO audit_logs ({columns}) VALUES ('t', :id, 'a', 'denied', :at)"
    now = time.time()
    async with place.everybody() as everybody:
        await run(everybody, execute(insert, id="young", at=now - 6 * 365 * 86400))
        with pytest.raises(AntiphonError):
            await run(everybody, execute(statement))
        await run(everybody, execute(insert, id="old", at=now - 8 * 365 * 86400))
        assert await run(everybody, execute("DELETE FROM audit_logs WHERE event_id = 'old'")) == 1
        assert await run(everybody, execute("SELECT event_id, outcome FROM audit_logs")) == [("young", "denied")]
