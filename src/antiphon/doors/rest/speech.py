"""``POST /v1/audio/speech``: text in, streamed audio out."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from antiphon.audio.encoder import Encoder
from antiphon.doors.access.rate_limits import charge_request, check_room
from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.disconnects import attended, begun
from antiphon.doors.http.responses import EVENT_STREAM, Streaming, error_event, event
from antiphon.doors.http.route import AnyRoute, Call, Route
from antiphon.doors.rest.services import RestServices
from antiphon.errors import Overloaded, ProviderTimeout, ProviderUnavailable, RateLimited
from antiphon.wire.entries import AudioReady, PipeEntry, SpeechDone
from antiphon.wire.jobs import Speak
from antiphon.wire.speech import (
    SpeechAudioDelta,
    SpeechAudioDone,
    SpeechRequest,
    SpeechUsage,
    VoiceReference,
)

RATE_HZ = 24_000
MEDIA_TYPES: dict[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_CHARS_PER_TOKEN = 4
_MS_PER_TOKEN = 50
_MOMENT_MS = 250
"""Silence for a text without words, such as an emoji: players refuse empty files."""


async def create_speech(services: RestServices, call: Call[SpeechRequest, Any]) -> Streaming:
    """Speak a text.

    The response is streamed: audio bytes, or with `stream_format: sse` the events `speech.audio.delta` and
    `speech.audio.done`. `pcm` is signed 16-bit little-endian mono at 24 kHz.
    """
    data, identity = call.body, call.identity
    check_room(services.has_room)
    charge_request(services.limiter, identity.account, services.metrics)
    wanted = data.response_format or "mp3"
    encoder = await asyncio.to_thread(Encoder, wanted, RATE_HZ)  # the first one loads libraries
    entries = services.job_client.run(_work(data, services), tenant=identity.tenant, correlation_id=call.request_id)
    spoken = _audible(await attended(call.receive, begun(entries)))
    if data.stream_format == "sse":
        return Streaming(_events(spoken, encoder, data.input), EVENT_STREAM, last_chunk=error_event)
    return Streaming(_audio(spoken, encoder), MEDIA_TYPES[wanted])


def _work(data: SpeechRequest, services: RestServices) -> Speak:
    return Speak(
        text=data.input,
        voice=(data.voice.id if isinstance(data.voice, VoiceReference) else data.voice) or services.speech_voice,
        speed=data.speed or services.speech_speed,
        instructions=data.instructions or "",
        model=data.model,
        rate_hz=RATE_HZ,
    )


async def _audible(entries: AsyncGenerator[PipeEntry]) -> AsyncGenerator[PipeEntry]:
    """Pass ``entries`` on, with a moment of silence if they have no audio, so that every response is a valid file."""
    is_silent = True
    async with aclosing(entries):
        async for entry in entries:
            if isinstance(entry, AudioReady):
                is_silent = is_silent and not entry.audio
            elif isinstance(entry, SpeechDone) and is_silent:
                yield AudioReady(entry.job_id, bytes(2 * RATE_HZ * _MOMENT_MS // 1000))
            yield entry


async def _audio(entries: AsyncGenerator[PipeEntry], encoder: Encoder) -> AsyncGenerator[bytes]:
    async with aclosing(entries):
        async for entry in entries:
            if isinstance(entry, AudioReady):
                yield await asyncio.to_thread(encoder.feed, entry.audio)
    yield await asyncio.to_thread(encoder.finish)


async def _events(entries: AsyncGenerator[PipeEntry], encoder: Encoder, text: str) -> AsyncGenerator[bytes]:
    count = _Count()
    async with aclosing(_audio(count.passing(entries), encoder)) as chunks:
        async for chunk in chunks:
            if chunk:
                yield event(SpeechAudioDelta(base64.b64encode(chunk).decode("ascii")))
    yield event(SpeechAudioDone(_usage(text, count.audio_bytes)))


class _Count:
    """Counts the audio that passes through."""

    def __init__(self) -> None:
        self.audio_bytes = 0

    async def passing(self, entries: AsyncGenerator[PipeEntry]) -> AsyncGenerator[PipeEntry]:
        async with aclosing(entries):
            async for entry in entries:
                if isinstance(entry, AudioReady):
                    self.audio_bytes += len(entry.audio)
                yield entry


def _usage(text: str, spoken_bytes: int) -> SpeechUsage:
    spoken_ms = spoken_bytes * 1000 // (2 * RATE_HZ)
    read, made = math.ceil(len(text) / _CHARS_PER_TOKEN), math.ceil(spoken_ms / _MS_PER_TOKEN)
    return SpeechUsage(read, made, read + made)


_ANSWERS = {
    **dict.fromkeys(MEDIA_TYPES.values(), (bytes,)),
    EVENT_STREAM: (SpeechAudioDelta, SpeechAudioDone),
}
_ERRORS = (RateLimited, Overloaded, ProviderUnavailable, ProviderTimeout)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST", "/v1/audio/speech", create_speech, "Text to speech", "audio",
        _ANSWERS, body=JsonBody(SpeechRequest), errors=_ERRORS,
    ),
)  # fmt: skip
