"""TTS whose engine runs in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.by_sentence import by_sentence
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.frames import Audio, Ready, Say


class ChildVoice:
    """The methods of `TextToSpeech` over a `ChildProcess`, one request per sentence."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._about: Ready | None = None

    async def start(self) -> None:
        """Start the process and load the engine."""
        self._about = await self._process.start()

    async def close(self) -> None:
        """Stop the process; idempotent."""
        await self._process.close()

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncGenerator[SpeechChunk]:
        """Yield the pieces of each sentence in order, as the engine produces them."""
        async with aclosing(by_sentence(text, lambda words: self._say(words, options))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _say(self, words: str, options: SpeakOptions) -> AsyncGenerator[Pcm]:
        rate_hz = (await self._process.start()).rate_hz
        language = options.language or ""
        request = self._process.ask(lambda id_: Say(id_, words, options.voice, language, options.speed))
        async with aclosing(request) as replies:
            async for reply in replies:
                if isinstance(reply, Audio) and reply.pcm:
                    yield Pcm(reply.pcm, rate_hz)
