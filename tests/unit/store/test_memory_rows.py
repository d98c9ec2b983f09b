"""The rows of memories."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from antiphon.entities.memories import DIMENSIONS, Memory
from antiphon.store.memory_rows import COLUMNS, half_vector, to_profile, to_row, writing
from antiphon.store.tables import ltm_embeddings

MEMORY = Memory("t", "m", "u", "Grüße", "habit", 1.0, 2.0, tags=("a", "ü"), session_id="s")
VECTOR = [1.0] * DIMENSIONS


@pytest.mark.parametrize("has_pgvector", [True, False])
def test_a_row_has_every_column_and_the_hash_of_its_content(has_pgvector: bool) -> None:
    row = to_row(MEMORY, VECTOR, has_pgvector=has_pgvector)
    assert set(row) == {column.name for column in ltm_embeddings.columns}
    assert row["content_hash"] == hashlib.sha256("Grüße".encode()).hexdigest()
    assert isinstance(row["embedding"], str if has_pgvector else bytes)


def test_reading_takes_all_columns_but_the_vector() -> None:
    assert {*COLUMNS} == {*ltm_embeddings.columns} - {ltm_embeddings.c.embedding}


def test_contents_that_differ_in_a_character_that_is_not_stored_are_the_same_one() -> None:
    hashes = {
        to_row(replace(MEMORY, content=content), VECTOR, has_pgvector=False)["content_hash"]
        for content in ("a\0", "a\ufffd")
    }
    assert len(hashes) == 1


def test_only_pgvector_is_given_its_type() -> None:
    assert "halfvec(384)" in str(half_vector("v"))
    assert "halfvec" in str(writing("postgresql", has_pgvector=True))
    assert "halfvec" not in str(writing("postgresql", has_pgvector=False))
    assert "halfvec" not in str(writing("sqlite", has_pgvector=False))


def test_without_rows_a_profile_is_empty() -> None:
    assert (to_profile([]).memory_count, to_profile([]).last_updated) == (0, None)
