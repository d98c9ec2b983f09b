"""What every `Memories` promises: in SQLite, and in PostgreSQL with pgvector and without."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import VirtualClock
from antiphon.entities.memories import DIMENSIONS, Category, Found, Memory, Profile
from antiphon.errors import InvalidRequest
from antiphon.ports.memories import Memories
from antiphon.store.erasure import SqlErasure
from antiphon.store.memories import SqlMemories
from antiphon.store.opening import make_store
from antiphon.store.sql import SqlStore
from antiphon.store.tables import ltm_embeddings
from tests.postgres import Database, migrated

Vector = npt.NDArray[np.float32]
KINDS = ("sqlite", "pgvector", "postgresql")
_databases: dict[tuple[str, str], Database] = {}


@dataclass
class World:
    """A database, and ways into it."""

    kind: str
    clock: VirtualClock
    open_store: Callable[[], Awaitable[SqlStore]]
    store: SqlStore
    memories: Memories

    @property
    def now(self) -> float:
        return self.clock.wall()

    def memory(self, content: str = "likes tea", **changes: Any) -> Memory:
        name = f"mem_{changes.get('tenant', 't')}_{changes.get('user_id', 'u')}_{content}_{next(_numbers)}"[:200]
        whole = Memory("t", name, "u", content, "preference", self.now, self.now)
        return replace(whole, **changes)


_numbers = itertools.count()


async def emptied(server_url: str, kind: str) -> Database:
    """Return a database without memories: creating one takes longer than these tests."""
    if (server_url, kind) not in _databases:
        _databases[server_url, kind] = await migrated(server_url, vectors=kind == "pgvector")
    connection = await asyncpg.connect(_databases[server_url, kind].url("postgres"))
    await connection.execute("DELETE FROM ltm_embeddings; DELETE FROM erasures")
    await connection.close()
    return _databases[server_url, kind]


@asynccontextmanager
async def opened(kind: str, server_url: str, folder: Path) -> AsyncIterator[World]:
    """Open an empty database of a kind."""
    url = ""
    if kind != "sqlite":
        url = (await emptied(server_url, kind)).url("antiphon_app")
    async with AsyncExitStack() as stack:

        async def open_store() -> SqlStore:
            store = make_store(url, folder)
            await store.start()
            stack.push_async_callback(store.close)
            return store

        clock = VirtualClock()
        store = await open_store()
        yield World(kind, clock, open_store, store, SqlMemories(store, clock))


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    server_url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    async with opened(request.param, server_url, tmp_path) as made:
        yield made


def toward(degrees: float) -> Vector:
    """Return a vector at an angle to `AHEAD`."""
    found = np.zeros(DIMENSIONS, np.float32)
    found[0], found[1] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return found


AHEAD = toward(0)


async def contents(memories: Memories, *, tenant: str = "t", user_id: str = "u", **options: Any) -> list[str]:
    return [one.memory.content for one in await memories.search(tenant, user_id, AHEAD, **options)]


async def test_a_written_memory_is_found_as_it_was(world: World) -> None:
    memory = world.memory(
        "mag Grüße 🎉",
        category="habit",
        confidence=0.25,
        source="chat",
        tags=("a", 'b"c', "ü"),
        session_id="s",
        updated_at=world.now + 5,
    )
    await world.memories.write([(memory, [float(number) for number in toward(30)])])
    (found,) = await world.memories.search("t", "u", AHEAD)
    assert found.memory == memory
    assert found.score == pytest.approx(np.cos(np.radians(30)), abs=1e-3)


async def test_memories_come_in_the_order_of_their_similarity_whatever_their_length(world: World) -> None:
    angles = [40, 10, 30, 0, 20]
    lengths = [1e-30, 1e30, 1.0, 70_000.0, 1e-7]
    rows = [(world.memory(str(angle)), toward(angle) * size) for angle, size in zip(angles, lengths, strict=True)]
    await world.memories.write(rows)
    assert await contents(world.memories) == ["0", "10", "20", "30", "40"]
    found = await world.memories.search("t", "u", AHEAD * np.float32(1e20))
    assert [one.score for one in found] == pytest.approx(np.cos(np.radians(sorted(angles))), abs=1e-3)
    assert found[0].score <= 1.0


async def test_the_limit_the_threshold_and_the_category_leave_out_others(world: World) -> None:
    categories: list[Category] = ["habit", "context", "habit", "history", "habit", "personality"]
    rows = [
        (world.memory(str(place), category=category), toward(place * 20)) for place, category in enumerate(categories)
    ]
    await world.memories.write([*rows, (world.memory("behind"), toward(180))])
    assert await contents(world.memories) == ["0", "1", "2"]
    assert await contents(world.memories, threshold=0.4) == ["0", "1", "2", "3"]
    assert await contents(world.memories, threshold=0.0) == ["0", "1", "2", "3", "4"]
    assert len(await contents(world.memories, threshold=-1.0, limit=100)) == 7
    assert await contents(world.memories, threshold=0.0, limit=2) == ["0", "1"]
    assert await contents(world.memories, threshold=0.0, category="habit") == ["0", "2", "4"]
    assert await contents(world.memories, threshold=0.0, category="habit", limit=1) == ["0"]
    assert await contents(world.memories, limit=0) == []
    assert await contents(world.memories, limit=-1) == []
    assert await contents(world.memories, threshold=1.5) == []


async def test_memories_of_other_tenants_and_users_are_not_seen(world: World) -> None:
    places = [("t", "u"), ("t", "v"), ("other", "u")]
    await world.memories.write(
        [(world.memory(f"{tenant} {user}", tenant=tenant, user_id=user), AHEAD) for tenant, user in places]
    )
    for tenant, user in places:
        assert await contents(world.memories, tenant=tenant, user_id=user) == [f"{tenant} {user}"]
        assert (await world.memories.profile(tenant, user)).preferences == (f"{tenant} {user}",)
    assert await contents(world.memories, tenant="") == []
    for tenant, user in [("other", "v"), ("t", ""), ("%", "%"), ("t", "u\0"), ("\0", "u")]:
        assert await contents(world.memories, tenant=tenant, user_id=user) == []
        assert await world.memories.erase_user(tenant, user) == 0
    assert await contents(world.memories) == ["t u"]


async def test_a_repeated_content_is_one_memory_confirmed_later(world: World) -> None:
    first = world.memory(updated_at=100.0)
    await world.memories.write([(first, AHEAD), (first, AHEAD)])
    await world.memories.write([(first, AHEAD)])
    again = world.memory(updated_at=300.0, category="habit", confidence=0.1, source="other")
    await world.memories.write([(again, toward(90)), (replace(again, memory_id="m2", updated_at=200.0), AHEAD)])
    (found,) = await world.memories.search("t", "u", AHEAD)
    assert found.memory == replace(first, updated_at=300.0)
    assert (await world.memories.profile("t", "u")).memory_count == 1


async def test_writers_at_once_of_the_same_contents_make_one_of_each(world: World) -> None:
    rows = [(world.memory(str(number)), toward(number)) for number in range(20)]
    renamed = [(replace(memory, memory_id=f"again {memory.memory_id}"), vector) for memory, vector in reversed(rows)]
    await asyncio.gather(world.memories.write(rows), world.memories.write(renamed), world.memories.write(rows))
    assert len(await contents(world.memories, limit=100)) == 20


async def test_an_erased_user_stays_erased_though_an_older_memory_arrives_late(world: World) -> None:
    old, late = world.memory("old"), world.memory("late")
    await world.memories.write([(old, AHEAD), (world.memory("of another", user_id="v"), AHEAD)])
    assert await contents(world.memories) == ["old"]
    world.clock.advance(10)
    assert await world.memories.erase_user("t", "u") == 1
    assert await world.memories.erase_user("t", "u") == 0
    await world.memories.write([(old, AHEAD), (late, AHEAD)])
    assert await contents(world.memories) == []
    world.clock.advance(10)
    await world.memories.write([(world.memory("old", category="habit"), AHEAD)])
    assert [one.memory.category for one in await world.memories.search("t", "u", AHEAD)] == ["habit"]
    assert await contents(world.memories, user_id="v") == ["of another"]


async def test_memories_of_an_erased_session_are_gone_and_never_come_back(world: World) -> None:
    rows = [(world.memory(name, session_id=name), AHEAD) for name in ("s", "other", "")]
    await world.memories.write(rows)
    erasure = SqlErasure(world.store, world.clock)
    assert await erasure.erase_session("t", "s") == 1
    assert await contents(world.memories) in (["", "other"], ["other", ""])
    world.clock.advance(100)
    later = world.memory("later", session_id="s")
    elsewhere = world.memory("elsewhere", session_id="s", tenant="other")
    await world.memories.write([*rows, (later, AHEAD), (elsewhere, AHEAD)])
    assert sorted(await contents(world.memories)) == ["", "other"]
    assert await contents(world.memories, tenant="other") == ["elsewhere"]


async def test_an_erasure_during_writes_leaves_no_memory_behind(world: World) -> None:
    async def write(number: int) -> None:
        await world.memories.write([(world.memory(f"{number} {place}"), AHEAD) for place in range(5)])

    writing = [asyncio.create_task(write(number)) for number in range(10)]
    await asyncio.sleep(0)
    await world.memories.erase_user("t", "u")
    await asyncio.gather(*writing)
    assert await contents(world.memories, limit=100) == []


async def test_a_profile_has_the_newest_of_each_category(world: World) -> None:
    assert await world.memories.profile("t", "u") == Profile((), (), (), (), 0, None)
    categories: list[Category] = ["preference", "personality", "habit", "history", "context"]
    rows = [
        world.memory(f"{category} {age}", category=category, updated_at=1000.0 - age)
        for category in categories
        for age in range(60)
    ]
    await world.memories.write([(row, AHEAD) for row in rows])
    profile = await world.memories.profile("t", "u")
    assert profile.preferences == tuple(f"preference {age}" for age in range(50))
    assert profile.personality_traits == tuple(f"personality {age}" for age in range(50))
    assert profile.habits == tuple(f"habit {age}" for age in range(50))
    assert profile.important_events == tuple(f"history {age}" for age in range(50))
    assert (profile.memory_count, profile.last_updated) == (300, 1000.0)


async def test_characters_that_no_database_stores_are_replaced_everywhere(world: World) -> None:
    memory = world.memory("a\0b", source="\0", tags=("\0",), session_id="s\0", user_id="u\0", tenant="t\0")
    await world.memories.write([(replace(memory, memory_id="m\0"), AHEAD)])
    (found,) = await world.memories.search("t\0", "u\0", AHEAD)
    assert (found.memory.content, found.memory.tags, found.memory.user_id) == ("a\ufffdb", ("\ufffd",), "u\ufffd")
    assert await SqlErasure(world.store, world.clock).erase_session("t\0", "s\0") == 1
    assert await world.memories.erase_user("t\0", "u\0") == 0


async def test_a_very_long_content_is_stored_whole(world: World) -> None:
    memory = world.memory("wort " * 400_000)
    await world.memories.write([(memory, AHEAD)])
    (found,) = await world.memories.search("t", "u", AHEAD)
    assert found.memory == memory


@pytest.mark.parametrize(
    "vector",
    [
        [],
        [1.0] * 383,
        [1.0] * 385,
        [[1.0] * 384],
        [float("nan")] * 384,
        [float("inf")] * 384,
        ["a"] * 384,
        [None] * 384,
        "a" * 384,
        1.0,
        [10**400] * 384,
    ],
    ids=range(11),
)
async def test_what_is_no_vector_is_refused_and_nothing_is_written(world: World, vector: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await world.memories.write([(world.memory("good"), AHEAD), (world.memory("bad"), vector)])
    assert (refused.value.code, refused.value.param) == ("invalid_vector", "vector")
    with pytest.raises(InvalidRequest):
        await world.memories.search("t", "u", vector)
    assert await contents(world.memories) == []


@pytest.mark.parametrize(
    "change", [{"category": "mood"}, {"content": "\ud800"}, {"created_at": None}, {"memory_id": "taken"}], ids=str
)
async def test_a_row_that_can_never_be_stored_is_refused(world: World, change: dict[str, Any]) -> None:
    await world.memories.write([(world.memory("first", memory_id="taken"), AHEAD)])
    with pytest.raises(InvalidRequest) as refused:
        await world.memories.write([(world.memory("good"), AHEAD), (replace(world.memory("bad"), **change), AHEAD)])
    assert refused.value.code == "row_refused"
    assert await contents(world.memories) == ["first"]


async def test_a_vector_without_a_direction_is_similar_to_none(world: World) -> None:
    await world.memories.write([(world.memory("nothing"), [0.0] * DIMENSIONS), (world.memory("ahead"), AHEAD)])
    assert await contents(world.memories, threshold=-1.0) == ["ahead"]
    assert await world.memories.search("t", "u", [0.0] * DIMENSIONS, threshold=-1.0) == []


async def test_nothing_to_write_is_written(world: World) -> None:
    await world.memories.write([])
    assert await contents(world.memories) == []


async def test_two_processes_on_one_database_see_what_the_other_does(world: World) -> None:
    other = SqlMemories(await world.open_store(), world.clock)
    for place in range(3):
        await world.memories.write([(world.memory(f"mine {place}"), AHEAD)])
        assert len(await contents(other, limit=100)) == 2 * place + 1
        await other.write([(world.memory(f"theirs {place}"), AHEAD)])
        assert len(await contents(world.memories, limit=100)) == 2 * place + 2
    world.clock.advance(1)
    await other.erase_user("t", "u")
    assert await contents(world.memories) == []
    world.clock.advance(1)
    await world.memories.write([(world.memory("mine 0", category="habit"), toward(10))])
    await world.memories.write([(world.memory(f"new {place}"), AHEAD) for place in range(5)])
    assert sorted(await contents(other, limit=9)) == ["mine 0", *(f"new {place}" for place in range(5))]
    assert await contents(other, category="habit") == ["mine 0"]


async def test_a_removed_memory_whose_place_another_takes_is_not_found(world: World) -> None:
    rows = [(world.memory(str(place), session_id=str(place)), toward(place)) for place in range(4)]
    await world.memories.write(rows)
    assert await contents(world.memories) == ["0", "1", "2", "3"]

    async def remove(connection: AsyncConnection) -> None:
        await connection.execute(
            sa.delete(ltm_embeddings).where(
                ltm_embeddings.c.tenant_id == "t", ltm_embeddings.c.session_id.in_(["2", "3"])
            )
        )

    other = SqlMemories(await world.open_store(), world.clock)
    await world.store.transact_as("t", remove)
    await other.write([(world.memory("4"), toward(4)), (world.memory("5"), toward(5))])
    assert await contents(world.memories) == ["0", "1", "4", "5"]


async def test_users_beyond_the_cache_are_searched_all_the_same(world: World) -> None:
    small = SqlMemories(world.store, world.clock, cache_bytes=4_000)
    for user in ("u", "v", "w", "u", "v"):
        await small.write([(world.memory(f"{user} {place}", user_id=user), toward(place)) for place in range(2)])
        assert await contents(small, user_id=user) == [f"{user} 0", f"{user} 1"]
    await small.write([(world.memory(f"more {place}"), toward(5 + place)) for place in range(10)])
    assert len(await contents(small, limit=100)) == 12


angles = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=25, unique=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_finds_what_comparing_everything_finds(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server_url = "" if kind == "sqlite" else request.getfixturevalue("postgres_url")

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(seeds=angles, limit=st.integers(1, 30), threshold=st.floats(-1, 1), removed=st.booleans())
    def check(seeds: list[int], limit: int, threshold: float, removed: bool) -> None:
        asyncio.run(compare(seeds, limit, threshold, removed=removed))

    async def compare(seeds: list[int], limit: int, threshold: float, *, removed: bool) -> None:
        async with opened(kind, server_url, tmp_path_factory.mktemp("rows")) as world:
            rows = [(world.memory(str(seed)), near(seed)) for seed in seeds]
            await world.memories.write(rows[::2])
            if removed:
                await world.memories.search("t", "u", AHEAD)
                world.clock.advance(1)
                await world.memories.erase_user("t", "u")
                rows = [(replace(memory, created_at=world.clock.wall() + 1), vector) for memory, vector in rows]
            await world.memories.write(rows)
            found = await world.memories.search("t", "u", AHEAD, limit=limit, threshold=threshold)
        expected = sorted((cosine(vector), memory.content) for memory, vector in rows)[::-1][:limit]
        assert_same(found, [one for one in expected if one[0] >= threshold], threshold)

    check()


def near(seed: int) -> Vector:
    """Return a vector at a random angle to `AHEAD`."""
    chance = np.random.default_rng(seed)
    found = chance.normal(size=DIMENSIONS)
    found[0] += chance.uniform(-60, 60)
    return found.astype(np.float32)


def cosine(vector: Vector) -> float:
    return float(vector[0] / np.linalg.norm(vector))


def assert_same(found: list[Found], expected: list[tuple[float, str]], threshold: float) -> None:
    """Compare, but for what half a precision may exchange: neighbours, and what is at the threshold."""
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(score >= threshold for score in scores)
    sure = [one for one in expected if one[0] > threshold + 2e-3]
    assert len(found) >= len(sure)
    assert [round(score, 9) for score in scores[: len(sure)]] == pytest.approx([one[0] for one in sure], abs=2e-3)
