"""Vectors as they are stored, and those that are kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

from antiphon.entities.memories import DIMENSIONS
from antiphon.store.vectors import EMPTY, UserVectors, VectorCache, literal, packed, unit, unpacked

CHANCE = np.random.default_rng(1)


def some(number: int, mark: int = 1) -> UserVectors:
    rows = [
        (f"n{place}", "habit", packed(CHANCE.normal(size=DIMENSIONS).astype(np.float32))) for place in range(number)
    ]
    return EMPTY.changed((mark,), [name for name, _, _ in rows], rows)


@pytest.mark.parametrize("size", [1e-300, 1e-8, 1.0, 1e5, 1e300])
def test_a_vector_of_any_length_keeps_its_direction_in_half_precision(size: float) -> None:
    numbers = CHANCE.normal(size=DIMENSIONS)
    stored = packed([float(number) for number in numbers * size])
    assert len(stored) == 768
    (found,) = unpacked([stored])
    assert float(found @ unit([float(number) for number in numbers])) == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)


def test_what_pgvector_reads_is_what_is_stored_as_bytes() -> None:
    numbers = CHANCE.normal(size=DIMENSIONS).astype(np.float32)
    assert np.array(json.loads(literal(numbers))).astype("<f2").tobytes() == packed(numbers)


def test_rows_are_added_and_removed_and_the_others_stay_with_their_vectors() -> None:
    before = some(4)
    vector = packed([1.0] * DIMENSIONS)
    after = before.changed((2,), ["n0", "n3", "new"], [("new", "context", vector)])
    assert after.mark == (2,)
    assert after.names == ("n0", "n3", "new")
    assert list(after.categories) == ["habit", "habit", "context"]
    assert np.array_equal(after.numbers[:2], before.numbers[[0, 3]])
    assert np.array_equal(after.numbers[2:], unpacked([vector]))
    assert before.changed((3,), [], []).names == ()


def test_the_most_similar_are_chosen_by_threshold_category_and_limit() -> None:
    vectors = some(50)
    wanted = unit(CHANCE.normal(size=DIMENSIONS).astype(np.float32))
    scores = dict(zip(vectors.names, map(float, vectors.numbers @ wanted), strict=True))
    expected = sorted(scores.items(), key=lambda one: -one[1])
    assert vectors.similar(wanted, 100, -1.0, None) == expected
    assert vectors.similar(wanted, 7, -1.0, "habit") == expected[:7]
    assert vectors.similar(wanted, 100, expected[3][1], None) == expected[:4]
    assert vectors.similar(wanted, 7, -1.0, "context") == []
    assert EMPTY.similar(wanted, 7, -1.0, None) == []


def test_the_cache_forgets_those_that_were_not_asked_for_longest() -> None:
    entries = {name: some(10, place) for place, name in enumerate("abc")}
    cache = VectorCache(entries["a"].size_bytes * 2)
    cache.put("a", entries["a"])
    cache.put("b", entries["b"])
    assert cache.get("a") is entries["a"]
    cache.put("c", entries["c"])
    assert [cache.get(name) is EMPTY for name in "abc"] == [False, True, False]
    cache.put("c", entries["b"])
    assert cache.get("a") is entries["a"]
    cache.forget("a")
    cache.forget("unknown")
    cache.put("b", entries["b"])
    assert [cache.get(name) is EMPTY for name in "abc"] == [True, False, False]


def test_the_cache_takes_none_that_exceeds_it_alone_and_forgets_its_former_state() -> None:
    cache = VectorCache(some(10).size_bytes)
    cache.put("a", some(10))
    cache.put("b", some(11))
    assert cache.get("b") is EMPTY
    assert cache.get("a") is not EMPTY
    cache.put("a", some(11))
    assert cache.get("a") is EMPTY
