"""What the speaker gets of an answer is the same, however often its worker was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.bus.embedded import EmbeddedBus
from antiphon.clock import SystemClock
from antiphon.entities.chat import ChatRequest
from antiphon.text.sentences import Splitter
from antiphon.wire.entries import PipeEntry, SentenceReady, SentencesDone
from antiphon.wire.jobs import Job, Respond
from antiphon.workers.sentences import Sentences
from tests.options import embedded_bus, pipe_limit, queue_limit

JOB = Job("a", "respond", Respond(ChatRequest(()), "speech"), "out")
WORD = st.sampled_from(
    ["noon", "Dr.", "No. 7", "3.14", "he said:", "Yes!", "it is.", "然后。", "…", "e.g.", "\n", '"Ah?"', ","]
)
TEXT = st.lists(WORD | st.text(max_size=6), max_size=40).map(" ".join)


class Torn(EmbeddedBus):
    """Its writers are killed behind so many entries."""

    left = 0

    async def write(self, pipe: str, entries: Sequence[PipeEntry], **kwargs: object) -> bool:
        written, self.left = entries[: self.left], self.left - len(entries)
        await super().write(pipe, written, **kwargs)
        if self.left < 0:
            raise EOFError
        return True


async def spoken(text: str, kills: Sequence[tuple[int, int]]) -> list[PipeEntry]:
    """Return what lies in the pipe; each kill hits behind so many characters, and so many entries of that attempt."""
    bus = Torn(SystemClock(), queue_limit(), pipe_limit(), strict=False)
    ends = [*accumulate((more for more, _ in kills), lambda at, more: min(len(text), at + more), initial=0), len(text)][
        1:
    ]
    said = 0
    for attempt, (end, (_, left)) in enumerate(zip(ends, [*kills, (0, 10_000)], strict=True), 1):
        bus.left = left
        sentences = Sentences(bus, replace(JOB, attempt=attempt), "speech")
        try:
            await sentences.begin()
            await sentences.add(text[:said])
            for at in range(said, end):
                said = at + 1  # it is written before its sentence is
                await sentences.add(text[at])
            if end == len(text):
                await sentences.end()
        except EOFError:
            pass
    found: list[PipeEntry] = []
    async for _, entry in bus.read("speech"):
        found.append(entry)
        if isinstance(entry, SentencesDone) and len(found) == await bus.tail("speech"):
            return found
    return found


@given(TEXT, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), max_size=3))
def test_wherever_an_answer_was_cut_its_sentences_are_those_of_the_whole(
    text: str, kills: list[tuple[int, int]]
) -> None:
    splitter = Splitter()
    whole = [SentenceReady("a", sentence) for sentence in splitter.feed(text) + splitter.flush()]
    assert asyncio.run(asyncio.wait_for(spoken(text, kills), 10)) == [*whole, SentencesDone("a")]


async def test_an_answer_that_is_not_spoken_writes_nothing() -> None:
    bus = embedded_bus()
    sentences = Sentences(bus, JOB, "")
    await sentences.begin()
    await sentences.add("It is noon. The sun")
    await sentences.end()
    assert not bus._pipes
