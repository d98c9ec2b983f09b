"""What holds for all tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from antiphon.store.tables import metadata

COUNTED = {"outbox_events"}
"""Tables whose rows are counted, in the order in which they are written."""


@pytest.mark.parametrize("name", sorted(set(metadata.tables) - COUNTED))
def test_the_primary_key_begins_with_the_tenant(name: str) -> None:
    assert next(iter(metadata.tables[name].primary_key.columns)).name == "tenant_id"


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_foreign_key_begins_with_the_tenant(name: str) -> None:
    for constraint in metadata.tables[name].foreign_key_constraints:
        assert constraint.column_keys[0] == "tenant_id"


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_has_a_tenant_and_a_time(name: str) -> None:
    columns = metadata.tables[name].columns
    assert not columns["tenant_id"].nullable
    assert isinstance(columns["created_at"].type, sa.Double)
