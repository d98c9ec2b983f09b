"""Speech to text by OpenAI, and by services with the same ``/audio/transcriptions``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import msgspec
import numpy as np
from openai import AsyncOpenAI

from antiphon.audio.wav import write_wav
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript, Word
from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.openai.client import check, openai_client
from antiphon.providers.openai.errors import openai_errors
from antiphon.providers.openai.settings import OpenAiSettings

_SHORTEST_S = 0.1
"""The service refuses shorter clips; they count as silence."""
_SILENCE_PEAK = 16
"""Clips with a lower peak (full scale 32768) are silence and are not sent."""
_TEXT_ONLY = "gpt-"
"""Models with this prefix return neither segments nor times."""
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
"""The service answers with names; the port has codes."""


class _AnswerWord(msgspec.Struct):
    word: str
    start: float
    end: float


class _AnswerSegment(msgspec.Struct):
    text: str
    start: float
    end: float
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    recognized: bool | None = None
    """False from an Antiphon server that detected speech but no words."""


class _Answer(msgspec.Struct):
    text: str
    language: str | None = None
    segments: list[_AnswerSegment] | None = None
    words: list[_AnswerWord] | None = None


class OpenAiStt:
    """Sends each clip as a WAV file and waits for the whole text."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._model = context.section(OpenAiSettings).openai_stt_model
        self._client: AsyncOpenAI | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("openai", models=(self._model,), is_remote=True, has_check=True)

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

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Yield the segments and the transcript; closing the iterator aborts the request."""
        if _is_silent(audio):
            yield Transcript("", options.language or "en", audio.duration_s)
            return
        with openai_errors("openai"):
            answer = await self._ask(self._open(), audio, options)
        transcript = _transcript(answer, audio, options)
        for segment in transcript.segments:
            yield segment
        yield transcript

    async def _ask(self, client: AsyncOpenAI, audio: Pcm, options: TranscribeOptions) -> bytes:
        """Request by path and decode the answer ourselves: the client does not validate it."""
        kind = "translations" if options.translate else "transcriptions"
        file = ("speech.wav", write_wav(audio.data[: len(audio.data) & ~1], audio.rate_hz), "audio/wav")
        response = await client.post(
            f"/audio/{kind}",
            cast_to=httpx2.Response,
            body=self._form(options),
            files=[("file", file)],
            options={
                "headers": {"Content-Type": "multipart/form-data"},
                "timeout": self._context.timeout_s + audio.duration_s,  # the service processes the whole clip first
            },
        )
        return response.content

    def _form(self, options: TranscribeOptions) -> dict[str, object]:
        has_times = not self._model.startswith(_TEXT_ONLY)
        form: dict[str, object] = {"model": self._model, "response_format": "verbose_json" if has_times else "json"}
        if options.prompt:
            form["prompt"] = options.prompt
        if options.language and not options.translate:
            form["language"] = options.language
        if has_times:
            form["temperature"] = options.temperature
        if has_times and not options.translate:
            form["timestamp_granularities"] = ["segment", "word"] if options.word_timestamps else ["segment"]
        return form

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = openai_client(self._context)
        return self._client


def _is_silent(audio: Pcm) -> bool:
    samples = np.frombuffer(audio.data, "<i2", len(audio.data) // 2)
    return audio.duration_s < _SHORTEST_S or int(np.abs(samples.astype(np.int32)).max()) < _SILENCE_PEAK


def _transcript(answer: bytes, audio: Pcm, options: TranscribeOptions) -> Transcript:
    """Decode an answer; services omit different fields."""
    try:
        read = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as exc:
        raise ProviderUnavailable("openai answered with something other than a transcript", detail=str(exc)) from exc
    text = read.text.strip()
    words = [Word(word.word.strip(), word.start, word.end) for word in read.words or ()]
    segments = tuple(
        _segment(segment, words)
        for segment in read.segments or ()
        if segment.text.strip() or segment.recognized is False
    )
    if not segments and text:
        segments = (Segment(text, 0.0, audio.duration_s, tuple(words)),)
    language = "en" if options.translate else read.language or options.language or "en"
    return Transcript(text, _LANGUAGES.get(language.lower(), language), audio.duration_s, segments)


def _segment(read: _AnswerSegment, words: list[Word]) -> Segment:
    own = tuple(word for word in words if read.start <= (word.start_s + word.end_s) / 2 < read.end)
    return Segment(read.text.strip(), read.start, read.end, own, read.avg_logprob or 0.0, read.no_speech_prob or 0.0)


def create(context: EngineContext) -> OpenAiStt:
    """Make the engine from ``openai_api_key``, ``openai_base_url`` and ``openai_stt_model``."""
    return OpenAiStt(context)
