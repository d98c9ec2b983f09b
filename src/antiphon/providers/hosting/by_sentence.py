"""Speech sentence by sentence: one engine call each; the first piece carries the sentence's text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.text.sentences import split
from antiphon.text.speakable import speakable


async def by_sentence(text: str, say: Callable[[str], AsyncGenerator[Pcm]]) -> AsyncGenerator[SpeechChunk]:
    """Yield the pieces of ``say`` for each sentence of ``text``; sentences without words are skipped."""
    for sentence in split(text):
        words = speakable(sentence)
        if words:
            label = sentence
            async with aclosing(say(words)) as pieces:
                async for pcm in pieces:
                    yield SpeechChunk(pcm, label)
                    label = ""
