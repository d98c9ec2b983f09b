"""What every `Bus` promises of pipes."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from antiphon.entities.speech import Segment, Word
from antiphon.errors import NotFound, Superseded
from antiphon.ports.bus import Attempt
from antiphon.wire.entries import (
    AnswerDone,
    AudioReady,
    CallReady,
    JobFailed,
    PipeEntry,
    ScoreReady,
    SegmentReady,
    SentenceReady,
    SentencesDone,
    SpeechDone,
    TextReady,
    TranscriptReady,
    TranslationReady,
)
from tests.conformance.buses import (
    PIPE_BYTES,
    PIPE_ENTRIES,
    WOKEN_S,
    AnyBus,
    present,
    quickest,
    soon,
    take,
    texts,
    words,
)

NUMBERS = itertools.count()

# -- pipes ---------------------------------------------------------------------------------------------------

ENTRIES: list[PipeEntry] = [
    SegmentReady("j", Segment("hi", 0.0, 1.0, (Word("hi", 0.0, 1.0, 0.5),))),
    TranscriptReady("j", "hi", "en", 1.0, (Segment("hi", 0.0, 1.0),)),
    TextReady("j", "ü"),
    CallReady("j", 0, "c", "f", "{"),
    AnswerDone("j", "stop", 1, 2, 3),
    SentenceReady("j", "hi."),
    SentencesDone("j"),
    AudioReady("j", b"\x00\xff" * 10, "hi."),
    SpeechDone("j"),
    TranslationReady("j", "hallo"),
    ScoreReady("j", 0.75),
    JobFailed("j", "api_error", None, "why", transient=True),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
async def test_every_kind_of_entry_arrives_unchanged(bus: AnyBus, entry: PipeEntry) -> None:
    await bus.write("p", [entry])
    assert await soon(take(bus, "p", 1)) == [entry]


async def test_entries_keep_their_order_and_are_numbered_from_one(bus: AnyBus) -> None:
    await bus.write("p", words(1, 2, 3))
    await bus.write("p", words(4))
    assert texts(await soon(take(bus, "p", 4))) == ["1", "2", "3", "4"]


async def test_a_waiting_reader_is_woken_by_an_entry(bus: AnyBus) -> None:
    async def measure(number: int) -> float:
        reading = asyncio.ensure_future(take(bus, "p", 1, after=number))
        await asyncio.sleep(0.02)
        started = time.monotonic()
        await bus.write("p", words(number))
        assert texts(await soon(reading)) == [str(number)]
        return time.monotonic() - started

    assert await quickest(measure) < WOKEN_S


async def test_a_reader_starts_behind_the_position_it_names(bus: AnyBus) -> None:
    await bus.write("p", words(1, 2, 3, 4, 5))
    assert texts(await soon(take(bus, "p", 5))) == ["1", "2", "3", "4", "5"]
    assert texts(await soon(take(bus, "p", 2, after=3))) == ["4", "5"]
    assert texts(await soon(take(bus, "p", 5))) == ["1", "2", "3", "4", "5"]


async def test_a_reader_ahead_of_the_pipe_waits_for_its_position(bus: AnyBus) -> None:
    reading = asyncio.ensure_future(take(bus, "p", 1, after=3))
    await asyncio.sleep(0)
    await bus.write("p", words(1, 2, 3))
    await asyncio.sleep(0.02)
    assert not reading.done()
    await bus.write("p", words(4))
    assert texts(await soon(reading)) == ["4"]


async def test_all_readers_see_everything(bus: AnyBus) -> None:
    readers = [asyncio.ensure_future(take(bus, "p", 50)) for _ in range(3)]
    await asyncio.sleep(0)
    await soon(bus.write("p", words(*range(50))))
    for reader in readers:
        assert texts(await soon(reader)) == [str(number) for number in range(50)]


async def test_pipes_do_not_mix(bus: AnyBus) -> None:
    await bus.write("p", words("p"))
    await bus.write("q", words("q"))
    assert texts(await soon(take(bus, "q", 1))) == ["q"]


async def test_a_writer_waits_while_the_pipe_is_full_and_nothing_is_lost(bus: AnyBus) -> None:
    await bus.write("p", words(*range(PIPE_ENTRIES)))
    writing = asyncio.ensure_future(bus.write("p", words(*range(PIPE_ENTRIES, 100))))
    await asyncio.sleep(0.05)
    assert not writing.done()
    assert texts(await soon(take(bus, "p", 100))) == [str(number) for number in range(100)]
    await soon(writing)


async def test_a_pipe_is_also_bounded_in_bytes(bus: AnyBus) -> None:
    piece = AudioReady("j", bytes(PIPE_BYTES // 2))
    await bus.write("p", [piece])
    writing = asyncio.ensure_future(bus.write("p", [piece, piece]))
    await asyncio.sleep(0.05)
    assert not writing.done()
    assert await soon(take(bus, "p", 3)) == [piece] * 3
    await soon(writing)


async def test_an_entry_above_the_limit_passes_alone(bus: AnyBus) -> None:
    piece = AudioReady("j", bytes(PIPE_BYTES * 2))
    reading = asyncio.ensure_future(take(bus, "p", 3))
    await soon(bus.write("p", [piece, TextReady("j", "x"), piece]))
    assert await soon(reading) == [piece, TextReady("j", "x"), piece]


async def test_a_slow_reader_loses_nothing_to_a_fast_one(bus: AnyBus) -> None:
    async def read_slowly() -> list[str]:
        seen: list[str] = []
        async for _, entry in bus.read("p"):
            seen += texts([entry])
            await asyncio.sleep(0.001)
            if len(seen) == 60:
                break
        return seen

    slow = asyncio.ensure_future(read_slowly())
    fast = asyncio.ensure_future(take(bus, "p", 60))
    await asyncio.sleep(0)
    await soon(bus.write("p", words(*range(60))))
    expected = [str(number) for number in range(60)]
    assert await soon(slow) == expected
    assert texts(await soon(fast)) == expected


async def test_a_reader_that_left_holds_nobody_up(bus: AnyBus) -> None:
    await bus.write("p", words(0))
    assert texts(await soon(take(bus, "p", 1))) == ["0"]  # this reader is gone from here on
    reading = asyncio.ensure_future(take(bus, "p", 40, after=1))
    await soon(bus.write("p", words(*range(1, 41))))
    assert texts(await soon(reading)) == [str(number) for number in range(1, 41)]


async def test_a_reader_that_comes_too_late_is_told_instead_of_skipping(bus: AnyBus) -> None:
    reading = asyncio.ensure_future(take(bus, "p", PIPE_ENTRIES * 3))
    await soon(bus.write("p", words(*range(PIPE_ENTRIES * 3))))
    await soon(reading)
    with pytest.raises(NotFound):
        await soon(take(bus, "p", 1))
    assert texts(await soon(take(bus, "p", 1, after=PIPE_ENTRIES * 3 - 1))) == [str(PIPE_ENTRIES * 3 - 1)]


async def test_what_a_reader_still_needs_stays_for_the_next_one(bus: AnyBus) -> None:
    needed = 2
    entries = bus.read("p", keep=lambda: needed)
    writer = asyncio.create_task(bus.write("p", words(*range(1, PIPE_ENTRIES + 5))))
    for _ in range(PIPE_ENTRIES + 2):
        await soon(anext(entries))
    assert not writer.done(), "what follows has no room while the reader needs so much"
    again = bus.read("p", after=2)
    assert await soon(anext(again)) == (3, *words(3))
    await again.aclose()
    needed = 5
    assert await soon(anext(entries)) == (PIPE_ENTRIES + 3, *words(PIPE_ENTRIES + 3))
    await soon(writer)
    await entries.aclose()
    kept = bus.read("p", after=5)
    assert await soon(anext(kept)) == (6, *words(6))
    with pytest.raises(NotFound):
        await soon(anext(bus.read("p", after=1)))


async def test_the_newest_entry_has_the_position_of_the_tail(bus: AnyBus) -> None:
    assert await bus.tail("p") == 0
    await bus.write("p", words(1, 2, 3))
    assert await bus.tail("p") == 3


async def test_many_writers_lose_nothing_and_each_keeps_its_order(bus: AnyBus) -> None:
    async def write(name: str) -> None:
        for number in range(0, 30, 3):
            await bus.write("p", words(*(f"{name}{number + step:02}" for step in range(3))))

    writers = [asyncio.ensure_future(write(name)) for name in "abcd"]
    seen = texts(await soon(take(bus, "p", 120)))
    await soon(asyncio.gather(*writers))
    for name in "abcd":
        assert [text for text in seen if text.startswith(name)] == [f"{name}{n:02}" for n in range(30)]


async def test_a_writer_that_stops_waiting_does_not_stop_the_others(bus: AnyBus) -> None:
    await bus.write("p", words(*["x"] * PIPE_ENTRIES))
    stopped = asyncio.ensure_future(bus.write("p", words("stopped")))
    waiting = asyncio.ensure_future(bus.write("p", words("kept")))
    await asyncio.sleep(0.02)
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    seen = texts(await soon(take(bus, "p", PIPE_ENTRIES + 1)))
    assert seen == ["x"] * PIPE_ENTRIES + ["kept"]
    await soon(waiting)


# -- drops, the end ------------------------------------------------------------------------------------------


async def test_a_dropped_pipe_ends_its_readers(bus: AnyBus) -> None:
    seen: list[str] = []

    async def read() -> None:
        async for _, entry in bus.read("p"):
            seen.extend(texts([entry]))

    readers = [asyncio.ensure_future(read()) for _ in range(2)]
    await bus.write("p", words("once"))
    async with asyncio.timeout(20):
        while len(seen) < 2:
            await asyncio.sleep(0.005)
    await bus.drop("p")
    await soon(asyncio.gather(*readers))
    assert seen == ["once", "once"]


async def test_what_is_written_to_a_dropped_pipe_is_discarded_and_its_writer_told(bus: AnyBus) -> None:
    assert await bus.write("p", words("before"))
    await bus.drop("p")
    await bus.drop("p")
    assert not await soon(bus.write("p", words(*range(PIPE_ENTRIES * 3))))
    assert [entry async for entry in bus.read("p")] == []


async def test_a_writer_that_waits_at_a_dropped_pipe_is_told_too(bus: AnyBus) -> None:
    await bus.write("p", words(*range(PIPE_ENTRIES)))
    writing = asyncio.ensure_future(bus.write("p", words("late")))
    await asyncio.sleep(0.02)
    await bus.drop("p")
    assert await soon(writing) is False


async def test_claims_and_reads_end_when_the_bus_closes(bus: AnyBus) -> None:
    async def work() -> list[str]:
        return [lease.job.id async for lease in bus.claim("speak", "worker")]

    async def read() -> list[PipeEntry]:
        return [entry async for _, entry in bus.read("p")]

    ends = [asyncio.ensure_future(work()), asyncio.ensure_future(work()), asyncio.ensure_future(read())]
    await asyncio.sleep(0.02)
    await bus.close()
    assert await soon(asyncio.gather(*ends)) == [[], [], []]


# -- any order -----------------------------------------------------------------------------------------------


@given(
    batches=st.lists(st.integers(1, PIPE_ENTRIES * 2), max_size=12),
    starts=st.lists(st.integers(0, PIPE_ENTRIES), min_size=1, max_size=3),
)
@example(batches=[16, 16], starts=[8, 7, 0])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_batches_every_reader_sees_all_behind_its_start(
    bus: AnyBus, batches: list[int], starts: list[int]
) -> None:
    pipe = f"pipe:{next(NUMBERS)}"
    total = sum(batches)
    expected = [str(n) for n in range(total)]

    async def write() -> None:
        done = 0
        for size in batches:
            await bus.write(pipe, words(*range(done, done + size)))
            done += size

    async def read(after: int) -> list[str]:
        return texts(await take(bus, pipe, total - after, after=after)) if total > after else []

    readers = [asyncio.ensure_future(read(start)) for start in starts]
    await present(bus, pipe, sum(start < total for start in starts))
    await soon(asyncio.gather(write(), *readers))
    for start, reader in zip(starts, readers, strict=True):
        assert reader.result() == expected[start:]
    await bus.drop(pipe)


# -- attempts of a job ---------------------------------------------------------------------------------------


async def test_a_further_attempt_learns_how_far_the_one_before_came(bus: AnyBus) -> None:
    assert await bus.begin("p", Attempt("j", 2)) == 0
    await bus.write("p", words("a", "b"), by=Attempt("j", 2))
    await bus.write("p", words("c"), by=Attempt("other", 1))
    await bus.write("p", words("d"), by=Attempt("j", 2))
    assert await bus.begin("p", Attempt("j", 3)) == 3
    assert texts(await soon(take(bus, "p", 4))) == ["a", "b", "c", "d"]


async def test_an_older_attempt_that_wakes_up_late_is_refused(bus: AnyBus) -> None:
    await bus.write("p", words("first"), by=Attempt("j", 1))
    await bus.begin("p", Attempt("j", 2))
    with pytest.raises(Superseded):
        await bus.write("p", words("late"), by=Attempt("j", 1))
    await bus.write("p", words("second"), by=Attempt("j", 2))
    assert texts(await soon(take(bus, "p", 2))) == ["first", "second"]


async def test_an_older_attempt_that_waits_for_room_is_refused_too(bus: AnyBus) -> None:
    writing = asyncio.ensure_future(bus.write("p", words(*range(PIPE_ENTRIES + 1)), by=Attempt("j", 1)))
    async with asyncio.timeout(20):
        while await bus.tail("p") < PIPE_ENTRIES:
            await asyncio.sleep(0.005)
    assert await bus.begin("p", Attempt("j", 2)) == PIPE_ENTRIES
    reading = asyncio.ensure_future(take(bus, "p", PIPE_ENTRIES))
    with pytest.raises(Superseded):
        await soon(writing)
    assert len(await soon(reading)) == PIPE_ENTRIES


async def test_what_an_ended_job_wrote_is_forgotten(bus: AnyBus) -> None:
    await bus.write("p", words("a"), by=Attempt("j", 1))
    await bus.forget("p", "j")
    await bus.forget("p", "j")
    assert await bus.begin("p", Attempt("j", 2)) == 0


async def test_an_older_attempt_that_begins_late_is_refused(bus: AnyBus) -> None:
    await bus.begin("p", Attempt("j", 3))
    with pytest.raises(Superseded):
        await bus.begin("p", Attempt("j", 2))
    await bus.write("p", words("a"), by=Attempt("j", 3))
    with pytest.raises(Superseded):
        await bus.write("p", words("b"), by=Attempt("j", 2))
