"""Voices of ElevenLabs: its standard voices by name, all others by id."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.request_options import RequestOptions
from elevenlabs.text_to_speech.raw_client import OMIT
from elevenlabs.types.voice_settings import VoiceSettings

from antiphon.audio.stretch import stretch
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.settings import opened
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.elevenlabs.errors import elevenlabs_errors
from antiphon.providers.elevenlabs.settings import MIN_KEY_CHARACTERS, ElevenLabsSettings
from antiphon.providers.hosting.by_sentence import by_sentence
from antiphon.providers.http.status_errors import error_of_status
from antiphon.text.languages import base_language

NAME = "elevenlabs"
RATE_HZ = 24_000
_FORMAT = f"pcm_{RATE_HZ}"
"""Available in every plan (samples at 44.1 kHz need Pro, MP3 at 192 kbit/s Creator). Unlike MP3 it needs no decoder
and has no encoder delay, which would change the length of a dubbed sentence."""
_PIECE_BYTES = 4_800
"""100 ms of whole samples."""
_SLOWEST, _FASTEST = 0.7, 1.2
"""Range of speeds of the service; `stretch` does the rest."""

_VOICES = {
    "george": "JBFqnCBsd6RMkjVDRZzb",
    "alice": "Xb7hH8MSUJpSbSDYk0k2",
    "bill": "pqHfZKP75CvOlQylNhV4",
    "brian": "nPczCjzI2devNBz1zQrb",
    "callum": "N2lVS1w4EtoT3dr4eOWO",
    "charlie": "IKne3meq5aSn9XLyUdCD",
    "chris": "iP95p4xoKVk53GoZ742B",
    "daniel": "onwK4e9ZLuTAKqWW03F9",
    "eric": "cjVigY5qzO86Huf0OWal",
    "jessica": "cgSgspJ2msm6clMCkdW9",
    "laura": "FGY2WhTYpPnrIDTdsKH5",
    "liam": "TX3LPaxmHKxFdv7VOQHJ",
    "lily": "pFZP5JQG7iQjIQuC4Bku",
    "matilda": "XrExE9yKIg1WjnnlVkGX",
    "river": "SAz9YHcvj6GT2YYXdXww",
    "roger": "CwhRBWXzGAHq8TQ4Fs17",
    "sarah": "EXAVITQu4vr4xnSDxMaL",
    "will": "bIHbv24MWmeRgasZH58o",
}
"""Standard voices of every account. Each speaks all languages of a model; the first is the default."""

_VOICES_OF_LANGUAGES = {
    "ar": "jessica",
    "cs": "will",
    "de": "lily",
    "es": "sarah",
    "fr": "alice",
    "hi": "alice",
    "it": "matilda",
    "ja": "alice",
    "nl": "lily",
    "pl": "alice",
    "pt": "river",
    "sv": "chris",
    "tr": "daniel",
    "zh": "laura",
}
"""Default voices of languages other than English."""

_VOICE_ID = re.compile(r"[A-Za-z0-9]{20}")

_MULTILINGUAL_V2 = (
    *("en", "ja", "zh", "de", "hi", "fr", "ko", "pt", "it", "es", "id", "nl", "tr", "fil", "pl"),
    *("sv", "bg", "ro", "ar", "cs", "el", "fi", "hr", "ms", "sk", "da", "ta", "uk", "ru"),
)
_LANGUAGES = {
    "eleven_flash_v2": ("en",),
    "eleven_turbo_v2": ("en",),
    "eleven_multilingual_v2": _MULTILINGUAL_V2,
    "eleven_flash_v2_5": (*_MULTILINGUAL_V2, "hu", "no", "vi"),
    "eleven_turbo_v2_5": (*_MULTILINGUAL_V2, "hu", "no", "vi"),
}
"""Languages of known models; an unknown model may speak any."""


def create(context: EngineContext) -> ElevenLabsTts:
    """Entry point of the ``elevenlabs`` engine."""
    return ElevenLabsTts(context)


class ElevenLabsTts:
    """Requests one sentence after the other, so that every piece of audio has its text. Does not retry."""

    def __init__(self, context: EngineContext) -> None:
        settings = context.section(ElevenLabsSettings)
        self._base_url = settings.elevenlabs_base_url
        self._key = opened(settings.elevenlabs_api_key)
        self._model = settings.elevenlabs_model
        self._stability = settings.elevenlabs_stability
        self._similarity = settings.elevenlabs_similarity
        self._timeout_s = context.timeout_s
        self._client: AsyncElevenLabs | None = None
        self._connections: httpx.AsyncClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """The standard voices; ids of other voices are passed on."""
        voices = tuple(Voice(name, "en", "ElevenLabs") for name in _VOICES)
        languages = _LANGUAGES.get(self._model, ())
        return Capabilities(NAME, (self._model,), voices, languages, streams=True, is_remote=True, has_check=True)

    async def start(self) -> None:
        """Open the client; sends no request yet."""
        self._open()

    async def check(self) -> None:
        """Request the list of models."""
        self._open()
        assert self._connections is not None  # noqa: S101 -- narrows the type: it is open
        with elevenlabs_errors(NAME):
            answer = await self._connections.get(f"{self._base_url}/v1/models", headers={"xi-api-key": self._key})
        if answer.status_code >= 400:
            raise error_of_status(NAME, answer.status_code, answer.text, headers=answer.headers)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        if self._connections is not None:
            await self._connections.aclose()
        self._client = self._connections = None

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Yield audio as it arrives."""
        client = self._open()
        async with aclosing(by_sentence(text, lambda words: self._say(client, words, options))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _say(self, client: AsyncElevenLabs, words: str, options: SpeakOptions) -> AsyncGenerator[Pcm]:
        own = min(max(options.speed, _SLOWEST), _FASTEST)
        async with aclosing(self._ask(client, words, options, own)) as pieces:
            if own == options.speed:
                async for piece in pieces:
                    yield Pcm(piece, RATE_HZ)
            else:
                whole = b"".join([piece async for piece in pieces])
                yield Pcm(await asyncio.to_thread(stretch, whole, RATE_HZ, options.speed / own), RATE_HZ)

    async def _ask(
        self, client: AsyncElevenLabs, words: str, options: SpeakOptions, speed: float
    ) -> AsyncGenerator[bytes]:
        language = base_language(options.language or "")
        with elevenlabs_errors(NAME):
            async with client.text_to_speech.with_raw_response.stream(
                _voice_id(options.voice, language),
                text=words,
                model_id=self._model,
                output_format=_FORMAT,
                voice_settings=VoiceSettings(stability=self._stability, similarity_boost=self._similarity, speed=speed),
                language_code=language if language and "multilingual" not in self._model else OMIT,
                request_options=RequestOptions(max_retries=0, chunk_size=_PIECE_BYTES),
            ) as response:
                kind = response.headers.get("content-type", "")
                if kind.startswith(("application/json", "text/")):
                    raise ProviderUnavailable(f"{NAME} answered with something other than audio", detail=kind)
                async for data in response.data:
                    yield data[: len(data) & ~1]

    def _open(self) -> AsyncElevenLabs:
        if self._client is None:
            if not self._key:
                message = (
                    f"there is no key for ElevenLabs (of {MIN_KEY_CHARACTERS} characters or more): "
                    "set ANTIPHON_ELEVENLABS_API_KEY"
                )
                raise ProviderUnavailable(message, code="no_api_key")
            # our own HTTP client: the library cannot close its one
            self._connections = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False)
            self._client = AsyncElevenLabs(
                base_url=self._base_url, api_key=self._key, timeout=self._timeout_s, httpx_client=self._connections
            )
        return self._client


def _voice_id(wanted: str, language: str) -> str:
    """Return the id of the requested voice, else of the language's default, else of the first voice."""
    if _VOICE_ID.fullmatch(wanted):
        return wanted
    name = wanted.lower() if wanted.lower() in _VOICES else _VOICES_OF_LANGUAGES.get(language, "george")
    return _VOICES[name]
