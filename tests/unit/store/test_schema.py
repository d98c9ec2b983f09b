"""The revisions that are named without Alembic are those of its files."""

from __future__ import annotations

from importlib.resources import files

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from antiphon.store.schema import HEAD, KNOWN, newer, revision_of


def test_the_known_revisions_are_those_of_the_files_oldest_first() -> None:
    scripts = ScriptDirectory(str(files("antiphon.store.migrations")))
    assert ("", *reversed([script.revision for script in scripts.walk_revisions()])) == KNOWN
    assert scripts.get_current_head() == HEAD


@pytest.mark.parametrize(("version", "revision"), [(0, ""), (1, ""), (2, "version 2"), (99, "version 99")])
def test_a_file_without_revision_has_that_of_its_version(version: int, revision: str) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
        assert revision_of(connection) == revision
    engine.dispose()


def test_only_an_unknown_revision_is_one_of_a_newer_release() -> None:
    assert [newer(revision) for revision in KNOWN] == [None] * len(KNOWN)
    error = newer("0900")
    assert error is not None
    assert (error.code, "0900" in error.message, HEAD in error.message) == ("store_too_new", True, True)
