from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.bus.pipes import Pipe, PipeLimit, PipeReader
from antiphon.wire.entries import TextReady

LIMIT = PipeLimit(entries=5, bytes=2000)


@given(
    seed=st.integers(0, 2**32),
    writers=st.lists(st.lists(st.integers(1, 12), max_size=5), min_size=1, max_size=3),
    readers=st.integers(1, 3),
    strict=st.booleans(),
)
@settings(max_examples=75, deadline=None)
def test_any_interleaving_of_readers_and_writers_keeps_every_entry_once_in_order(
    seed: int, writers: list[list[int]], readers: int, strict: bool
) -> None:
    chance = random.Random(seed)
    total = sum(sum(batches) for batches in writers)

    async def scenario() -> None:
        pipe = Pipe("p", LIMIT, lambda _pipe: None, strict=strict)

        async def write(name: int, batches: list[int]) -> None:
            number = 0
            for size in batches:
                entries = [TextReady("j", f"{name}:{number + step}") for step in range(size)]
                await pipe.write(entries)
                number += size
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)

        async def read(reader: PipeReader) -> list[str]:
            seen: list[str] = []
            while len(seen) < total:
                position, entry = await anext(reader)
                assert position == len(seen) + 1
                assert isinstance(entry, TextReady)
                seen.append(entry.text)
                assert len(pipe._entries) <= LIMIT.entries
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
            return seen

        reading = [read(PipeReader(pipe, 0)) for _ in range(readers)]
        writing = [write(name, batches) for name, batches in enumerate(writers)]
        results = await asyncio.wait_for(asyncio.gather(*reading, *writing), 10)
        seen = results[0]
        assert all(other == seen for other in results[:readers])
        for name, batches in enumerate(writers):
            own = [entry for entry in seen if entry.startswith(f"{name}:")]
            assert own == [f"{name}:{number}" for number in range(sum(batches))]

    asyncio.run(scenario())


async def test_what_was_read_stays_as_long_as_there_is_room() -> None:
    pipe = Pipe("p", LIMIT, lambda _pipe: None, strict=False)
    await pipe.write([TextReady("j", str(number)) for number in range(3)])
    first = PipeReader(pipe, 0)
    for _ in range(3):
        await anext(first)
    second = PipeReader(pipe, 0)
    assert await anext(second) == (1, TextReady("j", "0"))


async def test_bytes_are_counted_back_when_entries_are_let_go() -> None:
    for strict in (False, True):
        pipe = Pipe("p", LIMIT, lambda _pipe: None, strict=strict)
        reader = PipeReader(pipe, 0)
        for number in range(200):
            await asyncio.wait_for(pipe.write([TextReady("j", "x" * (number % 50))]), 10)
            await anext(reader)
        assert pipe._bytes == sum(128 + number % 50 for number in range(195, 200))


async def test_who_reads_what_lies_there_leaves_others_their_turns() -> None:
    pipe = Pipe("p", PipeLimit(2**20, 1000), lambda _pipe: None, strict=False)
    await pipe.write([TextReady("j", "x")] * 1000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(others())
    reader = PipeReader(pipe, 0)
    for _ in range(1000):
        await anext(reader)
    counting.cancel()
    assert 1000 // 32 <= turns <= 1000
