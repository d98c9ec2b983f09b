"""The remember worker: events become memories, and are found again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.clock import VirtualClock
from antiphon.entities.events import Event
from antiphon.errors import InvalidRequest, ProviderUnavailable, WeightsMissing
from antiphon.providers.stub.embedding import StubEmbedding
from antiphon.store.memories import SqlMemories
from antiphon.store.sqlite import SqliteStore
from antiphon.wire.entries import MemoriesRecalled, MemoryStored
from antiphon.wire.events import LtmWriteRequested, Spoken, encode
from antiphon.wire.jobs import Memorize, MemoryScope, Recall
from antiphon.workers.remember import Rememberer
from tests.working import working

CLOCK = VirtualClock()


@pytest.fixture
async def rememberer(tmp_path: Path) -> AsyncIterator[Rememberer]:
    store = SqliteStore(tmp_path / "antiphon.db")
    await store.start()
    yield Rememberer(StubEmbedding(), SqlMemories(store, CLOCK), CLOCK)
    await store.close()


def event(text: str, number: int = 1, **fields: Any) -> Event:
    asked = LtmWriteRequested(
        correlation_id=f"s#{number}", session_id="s", user_id="u", turn=number, ts=5.0,
        payload=Spoken(text=text, reply="Good."),
    )  # fmt: skip
    made = Event("default", f"s:ltm:{number}", "LtmWriteRequested", encode(asked), CLOCK.wall(), "s", number)
    return replace(made, **fields)


async def recalled(rememberer: Rememberer, query: str, user_id: str = "u") -> list[str]:
    async with working("recall", rememberer.recall) as bench:
        (entry,) = await bench.do(Recall(scope=MemoryScope(user_id, threshold=0.5), query=query))
    assert isinstance(entry, MemoriesRecalled)
    return [one.memory.content for one in entry.found]


async def test_the_words_of_an_event_are_found_by_the_same_user_once(rememberer: Rememberer) -> None:
    for _ in range(2):
        await rememberer([event("I like green tea"), event("the train was late", 2)])
    assert await recalled(rememberer, "green tea I like") == ["I like green tea"]
    assert await recalled(rememberer, "green tea I like", "other") == []


async def test_the_memory_says_where_it_comes_from(rememberer: Rememberer) -> None:
    await rememberer([event("I like green tea")])
    async with working("recall", rememberer.recall) as bench:
        (entry,) = await bench.do(Recall(scope=MemoryScope("u", threshold=0.1), query="tea"))
    assert isinstance(entry, MemoriesRecalled)
    memory = entry.found[0].memory
    assert (memory.category, memory.source, memory.session_id) == ("preference", "conversation", "s")


async def test_types_of_others_and_turns_without_vectors_are_left_alone(rememberer: Rememberer) -> None:
    asked = msgspec.json.decode(event("secret").payload)
    asked["payload"]["vectorize"] = False
    await rememberer([event("plugin", type="ltm.plugin"), event("x", payload=msgspec.json.encode(asked))])
    assert await recalled(rememberer, "plugin secret") == []


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"payload": 1}', b"\xff", b'{"type": "session.created"}'])
async def test_a_payload_that_is_none_is_refused_for_good(rememberer: Rememberer, payload: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await rememberer([event("x", payload=payload)])
    assert caught.value.param == "payload"


async def test_while_the_weights_are_missing_events_wait(tmp_path: Path) -> None:
    class Missing(StubEmbedding):
        async def embed(self, texts: object) -> Any:
            raise WeightsMissing("run: antiphon models pull minilm")

    store = SqliteStore(tmp_path / "antiphon.db")
    with pytest.raises(ProviderUnavailable, match="models pull"):
        await Rememberer(Missing(), SqlMemories(store, CLOCK), CLOCK)([event("x")])


async def test_a_memory_is_stored_as_a_job_and_found_at_once(rememberer: Rememberer) -> None:
    async with working("memorize", rememberer.memorize) as bench:
        (stored,) = await bench.do(Memorize(user_id="u", content="the door code is seven", tags=("home",)))
    assert isinstance(stored, MemoryStored)
    assert stored.memory_id.startswith("mem_")
    assert await recalled(rememberer, "what is the door code") == ["the door code is seven"]
