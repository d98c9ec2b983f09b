"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: audio in, text out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import IO, Any

import msgspec

from antiphon.doors.access.rate_limits import charge_request, check_room
from antiphon.doors.http.disconnects import attended, begun
from antiphon.doors.http.forms import AudioForm, FormBody, Upload
from antiphon.doors.http.responses import EVENT_STREAM, Streaming, Whole, error_event, event
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.rest.services import RestServices
from antiphon.doors.rest.transcript_formats import PLAIN, PLAIN_FORMATS, as_json, as_verbose, languages_of
from antiphon.entities.priority import PATIENT, TOLERANT
from antiphon.errors import InvalidRequest, Overloaded, ProviderTimeout, ProviderUnavailable, RateLimited
from antiphon.ports.decoder import decoded
from antiphon.ports.limiter import Account
from antiphon.wire.entries import PipeEntry, SegmentReady, TranscriptReady
from antiphon.wire.jobs import Transcribe
from antiphon.wire.transcriptions import (
    TranscriptionJson,
    TranscriptionOptions,
    TranscriptionVerbose,
    TranscriptTextDelta,
    TranscriptTextDone,
    TranslationOptions,
)

RATE_HZ = 16_000
"""Sample rate of speech recognition."""
_CLIP_S = 30.0
"""Longer audio is a recording and has a lower priority."""

_AnyCall = Call[Any, Any]


async def create_transcription(
    services: RestServices, call: Call[Upload[TranscriptionOptions], Any]
) -> Whole | Streaming:
    """Transcribe an audio file.

    With `stream=true` the response is a stream of the events `transcript.text.delta` and `transcript.text.done`.
    """
    check_room(services.has_room)
    charge_request(services.limiter, call.identity.account, services.metrics)
    async with call.body.opened() as form:
        options = form.options
        _check(options)
        work = await _decoded(services, call, form, _work_of(options))
    entries = await _transcribe(services, call, work)
    if options.stream:
        return Streaming(_events(entries), EVENT_STREAM, last_chunk=error_event)
    transcript = await attended(call.receive, _last(entries))
    return _answer(transcript, options, translated=False)


async def create_translation(services: RestServices, call: Call[Upload[TranslationOptions], Any]) -> Whole:
    """Transcribe an audio file in any language into English text."""
    check_room(services.has_room)
    charge_request(services.limiter, call.identity.account, services.metrics)
    async with call.body.opened() as form:
        wish = form.options
        work = Transcribe(
            b"", 0, prompt=wish.prompt or "", model=wish.model, translate=True, temperature=wish.temperature or 0.0
        )
        work = await _decoded(services, call, form, work)
    entries = await _transcribe(services, call, work)
    transcript = await attended(call.receive, _last(entries))
    return _answer(transcript, wish, translated=True)


def _check(options: TranscriptionOptions) -> None:
    """Refuse options that no engine supports, by the name of the field."""
    if options.response_format == "diarized_json":
        raise InvalidRequest(
            "Speakers are not told apart yet: 'diarized_json' is not available.",
            code="unsupported_value",
            param="response_format",
        )
    if options.timestamp_granularities and options.response_format != "verbose_json":
        raise InvalidRequest(
            "'timestamp_granularities' needs response_format 'verbose_json'.",
            code="invalid_value",
            param="timestamp_granularities",
        )


def _work_of(options: TranscriptionOptions) -> Transcribe:
    one_language = options.languages[0] if len(options.languages) == 1 else None
    prompt = " ".join(part for part in (", ".join(options.keywords), options.prompt or "") if part)
    return Transcribe(
        b"",
        0,
        language=options.language or one_language,
        prompt=prompt,
        model=options.model,
        word_timestamps="word" in options.timestamp_granularities,
        temperature=options.temperature or 0.0,
    )


async def _decoded(services: RestServices, call: _AnyCall, form: AudioForm[Any], work: Transcribe) -> Transcribe:
    """Decode the file into the work."""
    audio = await attended(call.receive, decoded(_pieces(services, call.identity.account, form.file)))
    return msgspec.structs.replace(work, audio=audio, rate_hz=RATE_HZ)


async def _pieces(services: RestServices, account: Account, file: IO[bytes]) -> AsyncGenerator[bytes]:
    """Yield the decoded audio of the file; it counts as waiting audio."""
    pieces = services.decoder.decode(file, RATE_HZ, caller=account.key_id)
    with services.waiting_audio.hold(account) as grow:
        async with aclosing(pieces):
            async for piece in pieces:
                grow(len(piece))
                yield piece


async def _transcribe(services: RestServices, call: _AnyCall, work: Transcribe) -> AsyncGenerator[PipeEntry]:
    """Submit the work, and return its results once the first has arrived."""
    return await attended(call.receive, begun(_results(services, call, work)))


async def _results(services: RestServices, call: _AnyCall, work: Transcribe) -> AsyncGenerator[PipeEntry]:
    identity = call.identity
    priority = TOLERANT if work.duration_s <= _CLIP_S else PATIENT
    entries = services.job_client.run(work, tenant=identity.tenant, correlation_id=call.request_id, priority=priority)
    with services.waiting_audio.hold(identity.account, len(work.audio)):
        async with aclosing(entries):
            async for entry in entries:
                yield entry


async def _last(entries: AsyncGenerator[PipeEntry]) -> TranscriptReady:
    async with aclosing(entries):
        async for entry in entries:
            if isinstance(entry, TranscriptReady):
                return entry
    raise ProviderUnavailable("The transcript did not arrive.")


async def _events(entries: AsyncGenerator[PipeEntry]) -> AsyncGenerator[bytes]:
    """Send every segment as soon as it is known; the deltas add up to the text of the last event."""
    sent = ""
    async with aclosing(entries):
        async for entry in entries:
            match entry:
                case SegmentReady(segment=segment) if segment.text:
                    delta = _joined(sent, segment.text)
                case TranscriptReady(text=text):
                    delta = text.removeprefix(sent) if text.startswith(sent) else ""
                case _:
                    continue
            if delta:
                sent += delta
                yield event(TranscriptTextDelta(delta))
            if isinstance(entry, TranscriptReady):
                yield event(TranscriptTextDone(entry.text, languages_of(entry)))


def _joined(before: str, text: str) -> str:
    """Return ``text`` as it continues ``before``."""
    return text if before and text[:1].isspace() else f" {text.strip()}" if before else text.strip()


def _answer(
    transcript: TranscriptReady, options: TranscriptionOptions | TranslationOptions, *, translated: bool
) -> Whole:
    wanted = options.response_format or "json"
    if wanted in PLAIN_FORMATS:
        return Whole(PLAIN_FORMATS[wanted](transcript), PLAIN)
    if wanted == "verbose_json":
        granularities = options.timestamp_granularities if isinstance(options, TranscriptionOptions) else ()
        body = as_verbose(
            transcript,
            granularities=granularities,
            translated=translated,
            temperature=options.temperature or 0.0,
        )
        return Whole(body, JSON)
    return Whole(as_json(transcript), JSON)


_TEXTS = {JSON: (TranscriptionJson, TranscriptionVerbose), PLAIN: (str,)}
_EVENTS = {EVENT_STREAM: (TranscriptTextDelta, TranscriptTextDone)}
_ERRORS = (InvalidRequest, RateLimited, Overloaded, ProviderUnavailable, ProviderTimeout)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST", "/v1/audio/transcriptions", create_transcription, "Speech to text", "audio",
        _TEXTS | _EVENTS, body=FormBody(TranscriptionOptions), errors=_ERRORS,
    ),
    Route(
        "POST", "/v1/audio/translations", create_translation, "Speech to English text", "audio",
        _TEXTS, body=FormBody(TranslationOptions), errors=_ERRORS,
    ),
)  # fmt: skip
