"""Which database a URL names."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from antiphon.errors import InvalidRequest
from antiphon.store.opening import JOBS_URL, make_store, opened_by_owner, parse, upkeep_store
from antiphon.store.postgres import PostgresStore
from antiphon.store.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///rows.db", "rows.db"),
        ("sqlite:////srv/rows.db", "/srv/rows.db"),
        ("sqlite+aiosqlite:////srv/a b%20c.db", "/srv/a b%20c.db"),
    ],
)
def test_a_file_has_three_slashes_and_its_path(url: str, path: str) -> None:
    assert parse(url, "URL") == Path(path)
    assert isinstance(make_store(url, Path("data")), SqliteStore)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_every_spelling_of_postgresql_gets_the_asynchronous_driver(scheme: str) -> None:
    found = parse(f"{scheme}://app:p%40ss@db:5433/antiphon?ssl=require", "URL")
    assert isinstance(found, sa.URL)
    assert found.drivername == "postgresql+asyncpg"
    assert (found.username, found.password, found.host, found.port) == ("app", "p@ss", "db", 5433)
    assert (found.database, found.query) == ("antiphon", {"ssl": "require"})


@pytest.mark.parametrize("variable", ["ANTIPHON_DATABASE_URL", "ANTIPHON_DATABASE_OWNER_URL", JOBS_URL])
@pytest.mark.parametrize(
    "url",
    [
        *(
            "sqlite://",
            "sqlite:///",
            "sqlite://rows.db",
            "/srv/antiphon.db",
            "mysql://app:hunter2@db/antiphon",
            "://",
            "",
        ),
        *(
            "postgresql://app:hunter2@db",
            "postgresql://app:hunter2@db:port/antiphon",
            "postgresql://app:hunter2/antiphon",
            "postgresql+psycopg://db/antiphon",
        ),
    ],
)
def test_another_url_is_refused_by_the_name_of_its_variable_without_its_password(url: str, variable: str) -> None:
    with pytest.raises(InvalidRequest, match="sqlite:///PATH or postgresql://") as refused:
        parse(url, variable)
    assert refused.value.param == variable
    assert "hunter2" not in f"{refused.value} {refused.value.__cause__}"


def test_without_a_url_the_file_lies_in_the_data_directory(tmp_path: Path) -> None:
    made = make_store("", tmp_path)
    assert isinstance(made, SqliteStore)
    assert isinstance(make_store("postgresql://app@db/antiphon", tmp_path), PostgresStore)


@pytest.mark.parametrize(
    ("url", "owner_url"),
    [("postgresql://app@db/antiphon", ""), ("", "sqlite:///rows.db"), ("sqlite:///a.db", "sqlite:///b.db")],
)
async def test_the_owner_s_url_is_that_of_postgresql_and_no_other(url: str, owner_url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="ANTIPHON_DATABASE_OWNER_URL") as refused:
        async with opened_by_owner(url, owner_url, tmp_path):
            pass
    assert refused.value.param == "ANTIPHON_DATABASE_OWNER_URL"


async def test_the_owner_opens_the_default_file_as_it_is(tmp_path: Path) -> None:
    async with opened_by_owner("", "", tmp_path) as store:
        assert await store.revision() == ""
    assert (tmp_path / "antiphon.db").exists()


POSTGRESQL = "postgresql://app@db/antiphon"


@pytest.mark.parametrize(
    ("url", "jobs_url"), [("", "postgresql://jobs@db/antiphon"), ("", "sqlite:///a.db"), (POSTGRESQL, "sqlite:///a.db")]
)
def test_the_url_of_upkeep_is_that_of_postgresql_and_no_other(url: str, jobs_url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="ANTIPHON_DATABASE_JOBS_URL is for PostgreSQL") as refused:
        upkeep_store(make_store(url, tmp_path), jobs_url)
    assert refused.value.param == JOBS_URL


def test_upkeep_has_the_file_itself_and_a_store_of_its_own_in_postgresql(tmp_path: Path) -> None:
    file, server = make_store("", tmp_path), make_store(POSTGRESQL, tmp_path)
    assert upkeep_store(file, "") is file
    assert upkeep_store(server, "") is None
    assert isinstance(upkeep_store(server, "postgresql://jobs@db/antiphon"), PostgresStore)
