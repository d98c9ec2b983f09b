"""What only PostgreSQL does: roles, row-level security, a server that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import InvalidRequest, ProviderUnavailable, Transient
from antiphon.store.migrate import downgrade
from antiphon.store.opening import JOBS_URL, OWNER_URL, opened_by_owner
from antiphon.store.postgres import PostgresStore
from antiphon.store.schema import HEAD
from tests.postgres import Database, address, create, migrated, postgres

ITEM = StoredItem("t", "s", "i", 1, 1, b"{}", 1.0)
TABLES = ("tenants", "projects", "api_keys", "sessions", "conversation_items", "function_calls", "usage_records")
TABLES = (*TABLES, "audit_logs", "outbox_events", "analytics_events", "erasures", "ltm_embeddings")
PARTITIONED = {"sessions", "conversation_items"}


@pytest.fixture
async def database(postgres_url: str) -> Database:
    return await migrated(postgres_url)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(address(database.url("antiphon_app")))
    await made.start()
    await made.record(
        [
            Unit(
                (
                    ITEM,
                    replace(ITEM, tenant="other"),
                )
            )
        ]
    )
    yield made
    await made.close()


async def run(database: Database, role: str, *statements: str) -> list[str]:
    """Run statements as a role in one transaction; returns what each had to say."""
    connection = await asyncpg.connect(database.url(role))
    try:
        async with connection.transaction():
            return [await connection.execute(statement) for statement in statements]
    finally:
        await connection.close()


SET = "SELECT set_config('antiphon.tenant', 't', true)"


async def test_every_table_forces_row_level_security(database: Database) -> None:
    connection = await asyncpg.connect(database.url("postgres"))
    rows = await connection.fetch(
        "SELECT relname, relkind, relrowsecurity AND relforcerowsecurity AS is_forced FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    await connection.close()
    found = {row["relname"]: row for row in rows if row["relname"] != "alembic_version"}
    assert set(found) == set(TABLES)
    assert all(row["is_forced"] for row in found.values())
    assert {name for name, row in found.items() if row["relkind"] == b"p"} == PARTITIONED


async def test_a_transaction_without_a_tenant_sees_and_writes_nothing(store: PostgresStore, database: Database) -> None:
    for table in TABLES:
        assert await run(database, "antiphon_app", f"SELECT * FROM {table}") == ["SELECT 0"]
    assert await run(database, "antiphon_app", "DELETE FROM conversation_items") == ["DELETE 0"]
    insert = "INSERT INTO sessions (tenant_id, session_id, created_at) VALUES ('t', 's', 0)"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(database, "antiphon_app", insert)
    assert await run(database, "antiphon_app", SET, insert) == ["SELECT 1", "INSERT 0 1"]


async def test_a_tenant_sees_changes_and_deletes_its_own_rows_only(store: PostgresStore, database: Database) -> None:
    for statement, done in {
        "SELECT * FROM conversation_items": "SELECT 1",
        "UPDATE conversation_items SET revision = 9": "UPDATE 1",
        "DELETE FROM conversation_items": "DELETE 1",
    }.items():
        assert (await run(database, "antiphon_app", SET, statement))[1] == done
    for statement in (
        "UPDATE conversation_items SET tenant_id = 'other'",
        "INSERT INTO conversation_items VALUES ('other', 's', 'j', 1, 1, '{}', 0, false)",
    ):
        await store.record([Unit((ITEM,))])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(database, "antiphon_app", SET, statement)
    assert await store.items("other", "s") == [replace(ITEM, tenant="other")]


async def test_the_tenant_of_a_transaction_does_not_stay_with_its_connection(store: PostgresStore) -> None:
    for _ in range(20):
        assert await store.items("t", "s") == [ITEM]
        assert await store.items("", "s") == []


async def test_no_partition_is_reached_past_its_policy(store: PostgresStore, database: Database) -> None:
    for number in range(16):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(database, "antiphon_app", SET, f"SELECT * FROM conversation_items_partition_{number}")


async def test_the_owner_sees_no_rows(store: PostgresStore, database: Database) -> None:
    for table in TABLES:
        assert await run(database, "antiphon_owner", f"SELECT * FROM {table}") == ["SELECT 0"]
    for table in PARTITIONED:
        selects = [f"SELECT * FROM {table}_partition_{number}" for number in range(16)]
        assert await run(database, "antiphon_owner", *selects) == ["SELECT 0"] * 16


async def test_the_role_of_upkeep_reads_and_deletes_but_never_writes(store: PostgresStore, database: Database) -> None:
    assert await run(database, "antiphon_jobs", "SELECT * FROM conversation_items") == ["SELECT 2"]
    for statement in (
        "INSERT INTO conversation_items VALUES ('t', 's', 'j', 1, 1, '{}', 0, false)",
        "UPDATE conversation_items SET revision = 2",
        "SELECT * FROM api_keys",
        "DELETE FROM tenants",
        "UPDATE outbox_events SET payload = '{}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(database, "antiphon_jobs", statement)
    assert await run(database, "antiphon_jobs", "DELETE FROM conversation_items") == ["DELETE 2"]


async def test_history_is_read_from_one_partition_by_its_index(store: PostgresStore, database: Database) -> None:
    connection = await asyncpg.connect(database.url("antiphon_app"))
    async with connection.transaction():
        await connection.execute(SET)
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            "EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM conversation_items WHERE tenant_id = 't' AND session_id = 's'"
            " AND NOT deleted ORDER BY position DESC, item_id DESC LIMIT 100"
        )
    await connection.close()
    lines = "\n".join(row[0] for row in plan)
    assert lines.count("Index Scan") == 1, lines


ROLES = {
    "is a superuser": "CREATE ROLE {name} LOGIN SUPERUSER IN ROLE antiphon_app",
    "has BYPASSRLS": "CREATE ROLE {name} LOGIN BYPASSRLS IN ROLE antiphon_app",
    "owns the tables": "CREATE ROLE {name} LOGIN IN ROLE antiphon_owner, antiphon_app",
    "is not a member of antiphon_app": "CREATE ROLE {name} LOGIN",
    "belongs to antiphon_jobs": "CREATE ROLE {name} LOGIN IN ROLE antiphon_app, antiphon_jobs",
}


@pytest.mark.parametrize("change", [{"username": "nobody_known"}, {"database": "nothing_known"}])
async def test_what_the_server_does_not_know_is_refused_at_once(database: Database, change: dict[str, str]) -> None:
    made = PostgresStore(address(database.url("antiphon_app")).set(**change), start_s=60)
    with pytest.raises(InvalidRequest, match="antiphon db upgrade") as refused:
        await made.start()
    assert (refused.value.code, refused.value.param) == ("wrong_database_role", "ANTIPHON_DATABASE_URL")


JOBS = "antiphon_app", "antiphon_jobs"
REFUSED = [("antiphon_app", "ANTIPHON_DATABASE_URL", flaw, role) for flaw, role in ROLES.items()]
REFUSED += [
    ("antiphon_jobs", JOBS_URL, flaw.replace(*JOBS), role.replace(*JOBS))
    for flaw, role in ROLES.items()
    if "antiphon_jobs" not in flaw
]


@pytest.mark.parametrize(("role", "variable", "flaw", "statement"), REFUSED)
async def test_a_role_that_policies_do_not_bind_is_refused(
    database: Database, role: str, variable: str, flaw: str, statement: str
) -> None:
    name = f"{database.name}_role"
    await run(database, "postgres", statement.format(name=name))
    made = PostgresStore(address(database.url(name)), role=role)
    with pytest.raises(InvalidRequest, match=f"{variable}: the role '{name}' {flaw}") as refused:
        await made.start()
    assert (refused.value.code, refused.value.param) == ("wrong_database_role", variable)
    await run(database, "postgres", f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("role", "variable"),
    [("antiphon_app", "ANTIPHON_DATABASE_URL"), ("antiphon_jobs", JOBS_URL), (None, OWNER_URL)],
)
async def test_an_option_that_the_driver_does_not_have_is_named(role: str | None, variable: str) -> None:
    for options in ("hunter2=2&ssl=require", "ssl=hunter2", "statement_cache_size=-1", "loop=1", "port=1&port=2"):
        made = PostgresStore(address(f"postgresql://app:hunter2@127.0.0.1/antiphon?{options}"), role=role)
        with pytest.raises(InvalidRequest, match="options of the URL are sslmode, ssl") as refused:
            await made.open()
        assert refused.value.param == variable
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("options", ["sslmode=disable", "ssl=prefer&statement_cache_size=0&target_session_attrs=any"])
async def test_the_options_of_the_url_are_those_of_the_connection(database: Database, options: str) -> None:
    made = PostgresStore(address(f"{database.url('antiphon_app')}?{options}"))
    await made.start()
    await made.check()
    await made.close()


@pytest.mark.parametrize("revision", ["0001", "base"])
async def test_an_older_schema_is_refused_with_the_command(database: Database, revision: str) -> None:
    async with opened_by_owner("", database.url("antiphon_owner"), Path()) as owner:
        await owner.migrate(partial(downgrade, revision=revision))
    with pytest.raises(InvalidRequest, match="antiphon db upgrade") as refused:
        await PostgresStore(address(database.url("antiphon_app"))).start()
    assert refused.value.code == "store_too_old"


@pytest.mark.parametrize("role", JOBS)
async def test_a_login_that_only_belongs_to_the_role_is_taken(
    store: PostgresStore, database: Database, role: str
) -> None:
    name = f"{database.name}_role"
    await run(database, "postgres", f"CREATE ROLE {name} LOGIN IN ROLE {role}")
    made = PostgresStore(address(database.url(name)), role=role)
    await made.start()
    assert await made.items("t", "s") == [ITEM]
    await made.close()
    await run(database, "postgres", f"DROP ROLE {name}")


async def test_a_database_that_is_not_migrated_is_refused_with_the_command(postgres_url: str) -> None:
    empty = await create(postgres_url)
    made = PostgresStore(address(empty.url("antiphon_owner")), role=None)
    with pytest.raises(InvalidRequest, match="antiphon db upgrade") as refused:
        await made.start()
    assert refused.value.code == "store_too_old"
    await made.open()
    assert await made.revision() == ""
    await made.close()


@pytest.mark.parametrize("change", [{"port": 9}, {"host": "host.invalid"}])
async def test_a_server_that_cannot_be_used_is_unavailable(database: Database, change: dict[str, str | int]) -> None:
    made = PostgresStore(address(database.url("antiphon_app")).set(**change), start_s=0.2)
    with pytest.raises(ProviderUnavailable) as refused:
        await made.start()
    assert refused.value.code == "store_unavailable"


async def test_a_server_that_is_killed_and_comes_back_is_used_again(tmp_path: Path) -> None:
    with postgres() as server:
        database = await migrated(server.url())
        store = PostgresStore(address(database.url("antiphon_app")))
        await store.start()
        await store.record([Unit((ITEM,))])
        server.kill()
        with pytest.raises(Transient):
            await store.record([Unit((replace(ITEM, item_id="lost"),))])
        with pytest.raises(Transient):
            await store.check()
        other = PostgresStore(address(database.url("antiphon_app")))
        starting = asyncio.create_task(other.start())
        await asyncio.sleep(0.3)
        assert not starting.done(), "who starts meanwhile waits"
        server.start()
        await starting
        await other.close()
        async with asyncio.timeout(60):
            while True:
                try:
                    await store.record([Unit((replace(ITEM, item_id="later"),))])
                    break
                except Transient:
                    await asyncio.sleep(0.1)
        assert {item.item_id for item in await store.items("t", "s")} == {"i", "later"}
        assert await store.revision() == HEAD
        await store.close()
