"""Speech to text by OpenAI, and by services with the same ``/audio/transcriptions``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
from openai import AsyncOpenAI, omit
from openai.types.audio import TranslationVerbose

from antiphon.audio.wav import write_wav
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript, Word
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.openai_client import openai_client
from antiphon.providers.openai_errors import openai_errors

_SHORTEST_S = 0.1
"""The service refuses shorter clips; nothing is said in them."""
_SILENCE_PEAK = 16
"""Below, full scale 32768: nothing to send anywhere."""
_TEXT_ONLY = "gpt-"
"""Models with this prefix give no segments and no times."""
_LANGUAGES = {
    "arabic": "ar",
    "chinese": "zh",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "norwegian": "no",
    "polish": "pl",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "spanish": "es",
    "swedish": "sv",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "vietnamese": "vi",
}
"""The service answers with names; the port speaks in codes."""


class OpenAiStt:
    """Sends each clip as a WAV file and waits for the whole text."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._model = str(context.settings.get("openai_stt_model") or "whisper-1")
        self._client: AsyncOpenAI | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("openai", models=(self._model,))

    async def start(self) -> None:
        """Open the client; the service is first asked when there is something to hear."""
        self._open()

    async def close(self) -> None:
        """Close all connections; idempotent."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Yield the segments and the transcript; closing the iterator drops the request."""
        if _is_silent(audio):
            yield Transcript("", options.language or "en", audio.duration_s)
            return
        with openai_errors("openai"):
            answer = await self._ask(self._open(), audio, options)
        transcript = _transcript(answer, audio, options)
        for segment in transcript.segments:
            yield segment
        yield transcript

    async def _ask(self, client: AsyncOpenAI, audio: Pcm, options: TranscribeOptions) -> object:
        file = ("speech.wav", write_wav(audio.data[: len(audio.data) & ~1], audio.rate_hz), "audio/wav")
        prompt = options.prompt or omit
        if options.translate:
            return await self._translate(client, file, options)
        if self._model.startswith(_TEXT_ONLY):
            return await client.audio.transcriptions.create(
                file=file, model=self._model, prompt=prompt, language=options.language or omit, response_format="json"
            )
        return await client.audio.transcriptions.create(
            file=file,
            model=self._model,
            prompt=prompt,
            language=options.language or omit,
            temperature=options.temperature,
            response_format="verbose_json",
            timestamp_granularities=["segment", "word"] if options.word_timestamps else ["segment"],
        )

    async def _translate(self, client: AsyncOpenAI, file: tuple[str, bytes, str], options: TranscribeOptions) -> object:
        """Ask by path: the client has declared its own method for it deprecated, and names no other."""
        form: dict[str, object] = {"model": self._model, "response_format": "verbose_json"}
        if options.prompt:
            form["prompt"] = options.prompt
        return await client.post(
            "/audio/translations",
            cast_to=TranslationVerbose,
            body={**form, "temperature": options.temperature},
            files=[("file", file)],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = openai_client(self._context)
        return self._client


def _is_silent(audio: Pcm) -> bool:
    samples = np.frombuffer(audio.data, "<i2", len(audio.data) // 2)
    return audio.duration_s < _SHORTEST_S or int(np.abs(samples.astype(np.int32)).max()) < _SILENCE_PEAK


def _transcript(answer: object, audio: Pcm, options: TranscribeOptions) -> Transcript:
    """Read an answer; services differ in what they leave out."""
    text = getattr(answer, "text", None)
    if not isinstance(text, str):
        raise ProviderUnavailable("openai answered without a text")
    words = [_word(entry) for entry in _entries(answer, "words")]
    segments = tuple(_segment(entry, words) for entry in _entries(answer, "segments"))
    if not segments and text.strip():
        segments = (Segment(text.strip(), 0.0, audio.duration_s, tuple(words)),)
    language = "en" if options.translate else str(getattr(answer, "language", None) or options.language or "en")
    return Transcript(text.strip(), _LANGUAGES.get(language.lower(), language), audio.duration_s, segments)


def _entries(answer: object, name: str) -> list[Any]:
    return cast("list[Any]", getattr(answer, name, None) or [])


def _segment(entry: Any, words: list[Word]) -> Segment:
    start_s, end_s = float(entry.start), float(entry.end)
    own = tuple(word for word in words if start_s <= (word.start_s + word.end_s) / 2 < end_s)
    logprob, silence = getattr(entry, "avg_logprob", None), getattr(entry, "no_speech_prob", None)
    return Segment(entry.text.strip(), start_s, end_s, own, float(logprob or 0.0), float(silence or 0.0))


def _word(entry: Any) -> Word:
    return Word(str(entry.word).strip(), float(entry.start), float(entry.end))


def create(context: EngineContext) -> OpenAiStt:
    """Make the engine from ``openai_api_key``, ``openai_base_url`` and ``openai_stt_model``."""
    return OpenAiStt(context)
