"""Speech sentence by sentence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from antiphon.entities.speech import Pcm
from antiphon.providers.hosting.by_sentence import by_sentence


class Speaker:
    """Speaks each word as a piece of its own, and notes what it was asked for and what was left early."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = 0

    async def say(self, words: str) -> AsyncGenerator[Pcm]:
        self.asked.append(words)
        try:
            for word in words.split():
                yield Pcm(word.encode(), 8_000)
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("", []),
        ("… 👍 !", []),
        ("One two.", [("One two.", b"One"), ("", b"two.")]),
        ("One. Two three.", [("One.", b"One."), ("Two three.", b"Two"), ("", b"three.")]),
    ],
)
async def test_the_first_piece_of_a_sentence_carries_its_text(text: str, chunks: list[tuple[str, bytes]]) -> None:
    assert [(chunk.text, chunk.pcm.data) async for chunk in by_sentence(text, Speaker().say)] == chunks


async def test_a_sentence_is_asked_for_when_the_one_before_is_read() -> None:
    speaker = Speaker()
    async with aclosing(by_sentence("One. Two. Three.", speaker.say)) as chunks:
        await anext(chunks)
        assert speaker.asked == ["One."]
        await anext(chunks)
        assert speaker.asked == ["One.", "Two."]


async def test_closing_closes_the_sentence_in_progress() -> None:
    speaker = Speaker()
    chunks = by_sentence("One two three. Four.", speaker.say)
    await anext(chunks)
    await chunks.aclose()
    assert (speaker.asked, speaker.closed) == (["One two three."], 1)
