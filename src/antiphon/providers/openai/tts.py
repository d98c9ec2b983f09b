"""Voices of OpenAI, and of services with the same ``/audio/speech``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from openai import AsyncOpenAI, omit

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hosting.by_sentence import by_sentence
from antiphon.providers.openai.client import check, openai_client
from antiphon.providers.openai.errors import openai_errors
from antiphon.providers.openai.settings import OpenAiSettings

RATE_HZ = 24_000
"""Rate of the ``pcm`` response format."""

_VOICES = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
_LANGUAGE = "en"
"""Accent of the voices; they speak other languages too."""


def create(context: EngineContext) -> OpenAiTts:
    """Entry point of the ``openai`` engine."""
    return OpenAiTts(context)


class OpenAiTts:
    """Requests one sentence after the other, so that every piece of audio has its text."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        settings = context.section(OpenAiSettings)
        self._model = settings.openai_tts_model
        self._is_official = settings.is_official
        self._client: AsyncOpenAI | None = None

    @property
    def capabilities(self) -> Capabilities:
        """OpenAI's voices; names of other voices are passed on to other services."""
        voices = tuple(Voice(name, _LANGUAGE) for name in _VOICES)
        return Capabilities(
            "openai", models=(self._model,), voices=voices, streams=True, is_remote=True, has_check=True
        )

    async def start(self) -> None:
        """Open the client; sends no request yet."""
        self._open()

    async def check(self) -> None:
        """Request the list of models."""
        await check("openai", self._open())

    async def close(self) -> None:
        """Close all connections; idempotent."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Yield audio as it arrives."""
        client = self._open()
        async with aclosing(by_sentence(text, lambda words: self._say(client, words, options))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _say(self, client: AsyncOpenAI, words: str, options: SpeakOptions) -> AsyncGenerator[Pcm]:
        speech = client.audio.speech.with_streaming_response
        rest = b""
        with openai_errors("openai"):
            async with speech.create(
                input=words,
                model=self._model,
                voice=self._voice_for(options.voice),
                response_format="pcm",
                speed=omit if options.speed == 1.0 else options.speed,
                instructions=options.instructions or omit,
            ) as response:
                kind = response.headers.get("content-type", "")
                if kind.startswith(("application/json", "text/")):
                    raise ProviderUnavailable("openai answered with something other than audio", detail=kind)
                async for data in response.iter_bytes():
                    rest += data
                    whole = len(rest) & ~1
                    if whole:
                        yield Pcm(rest[:whole], RATE_HZ)
                    rest = rest[whole:]

    def _voice_for(self, wanted: str) -> str:
        is_known = wanted in _VOICES or (wanted and not self._is_official)
        return wanted if is_known else _VOICES[0]

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = openai_client(self._context)
        return self._client
