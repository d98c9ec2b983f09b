"""Engines that fail where they are told to, and what is asked of chains of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.ports.tts import SpeakOptions
from antiphon.ports.vad import VoiceStream
from antiphon.providers.chains.kinds import LlmChain, TtsChain

ASKED = ChatRequest((ChatMessage("user", "hello"),))


class Engine:
    """Fails where it is told to."""

    def __init__(self, name: str, *, start: Exception | None = None, fail: Exception | None = None, after: int = 0):
        self.capabilities = Capabilities(name, models=(name,), voices=(Voice(name, "en"),), languages=("en", name))
        self.start_error, self.error, self.after = start, fail, after
        self.started = self.closed = self.asked = self.left = 0
        self.pairs: set[tuple[str | None, str]] | None = None  # all

    async def start(self) -> None:
        self.started += 1
        if self.start_error:
            raise self.start_error

    async def close(self) -> None:
        self.closed += 1

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.asked += 1
        try:
            for _ in range(self.after):
                yield TextDelta(self.capabilities.name)
            if self.error:
                raise self.error
            yield TextDelta(self.capabilities.name)
            yield ChatDone("stop")
        finally:
            self.left += 1

    def has_pair(self, source: str | None, target: str) -> bool:
        return self.pairs is None or (source, target) in self.pairs

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return f"{self.capabilities.name}:{text}"

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> VoiceStream:
        raise NotImplementedError(self.capabilities.name)


async def said(chain: LlmChain) -> str:
    return "".join([event.text async for event in chain.respond(ASKED) if isinstance(event, TextDelta)])


class Speaker(Engine):
    """Speaks the languages it is given, with one voice of its own."""

    def __init__(self, name: str, *languages: str, fail: Exception | None = None, voice: str = "") -> None:
        super().__init__(name, fail=fail)
        self.capabilities = Capabilities(name, voices=(Voice(voice or name, "en"),), languages=languages)

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        self.asked += 1
        if self.error:
            raise self.error
        yield SpeechChunk(Pcm(b"", 24_000), f"{self.capabilities.name}:{options.language}:{text}")


async def spoken(chain: TtsChain, *, language: str | None = None, voice: str = "") -> str:
    options = SpeakOptions(voice, language=language)
    return "".join([chunk.text async for chunk in chain.synthesize("hi", options)])


class Hanging(Engine):
    """Says nothing at all."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun = asyncio.Event()

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.asked += 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
            yield ChatDone("stop")
        finally:
            self.left += 1
