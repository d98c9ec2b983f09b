"""Runs the SQL files of migrations."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

_END = ";\n--\n"
"""Ends a statement of a file: bodies of functions contain semicolons of their own."""


def run_script(name: str) -> None:
    """Run ``sql/{name}``, statement by statement."""
    for statement in statements(name):
        op.get_bind().exec_driver_sql(statement)


def statements(name: str) -> list[str]:
    """Return the statements of ``sql/{name}``."""
    text = files("antiphon.store.migrations").joinpath("sql", name).read_text("utf-8")
    return [statement for part in text.split(_END) if (statement := part.strip())]
