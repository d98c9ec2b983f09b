"""Speech in sentences: an engine is asked for one after the other, and each one's first piece carries its text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.text.sentences import split
from antiphon.text.speakable import speakable


async def by_sentence(text: str, say: Callable[[str], AsyncGenerator[Pcm]]) -> AsyncGenerator[SpeechChunk]:
    """Yield what ``say`` gives for the words of each sentence of ``text``; one without words is passed over."""
    for sentence in split(text):
        words = speakable(sentence)
        if words:
            label = sentence
            async with aclosing(say(words)) as pieces:
                async for pcm in pieces:
                    yield SpeechChunk(pcm, label)
                    label = ""
