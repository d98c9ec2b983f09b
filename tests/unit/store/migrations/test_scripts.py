"""The SQL files of migrations."""

from __future__ import annotations

from importlib.resources import files

import pytest

from antiphon.store.migrations.scripts import statements

NAMES = sorted(path.name for path in files("antiphon.store.migrations").joinpath("sql").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_cut_into_whole_statements(name: str) -> None:
    found = statements(name)
    assert found
    for statement in found:
        assert statement.count("$$") in (0, 2), "a body is not cut"
        assert not statement.endswith("--")


def test_a_body_with_semicolons_is_one_statement() -> None:
    (function,) = [one for one in statements("0002_up.sql") if one.startswith("CREATE FUNCTION")]
    assert function.count(";") > 1
