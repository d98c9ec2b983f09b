"""``antiphon db``: forwards, backwards, and what it says when it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.cli.main import run
from antiphon.store.opening import make_store
from antiphon.store.schema import HEAD
from tests.postgres import Database, create


def command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run ``antiphon db …`` and return what it printed, or said on stderr."""
    with pytest.raises(SystemExit) as ended:
        run(["db", *words])
    assert (ended.value.code or 0) == code
    told = capsys.readouterr()
    return told.err if code else told.out


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of the command."""
    monkeypatch.setenv("ANTIPHON_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def database(postgres_url: str, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    made = asyncio.run(create(postgres_url))
    monkeypatch.setenv("ANTIPHON_DATABASE_URL", made.url("antiphon_app"))
    monkeypatch.setenv("ANTIPHON_DATABASE_OWNER_URL", made.url("antiphon_owner"))
    return made


def test_a_file_is_migrated_forwards_and_backwards(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, "current") == f"schema none; this release needs {HEAD}\n"
    assert command(capsys, "upgrade") == f"schema {HEAD}; this release needs {HEAD}\n"
    assert command(capsys, "downgrade", "0001") == f"schema 0001; this release needs {HEAD}\n"
    assert command(capsys, "downgrade", "base") == f"schema none; this release needs {HEAD}\n"
    assert command(capsys, "upgrade", "0001") == f"schema 0001; this release needs {HEAD}\n"
    assert (empty / "antiphon.db").exists()


def test_postgresql_is_migrated_by_its_owner_and_then_serves(
    database: Database, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(capsys, "upgrade") == f"schema {HEAD}; this release needs {HEAD}\n"
    assert command(capsys, "current") == f"schema {HEAD}; this release needs {HEAD}\n"

    async def start() -> None:
        store = make_store(database.url("antiphon_app"), empty)
        await store.start()
        await store.check()
        await store.close()

    asyncio.run(start())
    assert list(empty.iterdir()) == [], "no file is made beside it"


@pytest.mark.parametrize("revision", ["0900", "nobody", "0001; DROP TABLE tenants"])
def test_an_unknown_revision_is_refused(empty: Path, revision: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"there is no revision '{revision}': base, 0001, 0002, 0003, 0004, {HEAD}" in command(
        capsys, "upgrade", revision, code=1
    )


def test_without_the_owner_s_url_postgresql_is_not_touched(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANTIPHON_DATABASE_OWNER_URL")
    for words in (["upgrade"], ["downgrade", "base"], ["current"]):
        assert "ANTIPHON_DATABASE_OWNER_URL is not set" in command(capsys, *words, code=1)


def test_a_role_that_may_not_create_tables_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(capsys, "upgrade")
    monkeypatch.setenv("ANTIPHON_DATABASE_OWNER_URL", database.url("antiphon_app"))
    assert "must be owner of" in command(capsys, "downgrade", "base", code=1)


def test_a_database_that_is_not_there_is_told(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTIPHON_DATABASE_OWNER_URL", "postgresql://owner:hunter2@127.0.0.1:9/antiphon")
    told = command(capsys, "current", code=1)
    assert "the database failed" in told
    assert "hunter2" not in told
