"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: audio in, text out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import IO, Any

import msgspec
from litestar import post
from litestar.types import ASGIApp

from antiphon.doors.access.rate_limits import charge_request, check_room
from antiphon.doors.rest.disconnects import attended, begun
from antiphon.doors.rest.forms import AudioForm, audio_form
from antiphon.doors.rest.responses import EVENT_STREAM, Streaming, Whole, error_event, event
from antiphon.doors.rest.services import RestRequest, correlation_of, identity_of, services_of
from antiphon.doors.rest.transcript_formats import (
    JSON,
    PLAIN,
    PLAIN_FORMATS,
    as_json,
    as_verbose,
    languages_of,
)
from antiphon.entities.priority import PATIENT, TOLERANT
from antiphon.errors import InvalidRequest, ProviderUnavailable
from antiphon.ports.decoder import decoded
from antiphon.wire.jobs import PipeEntry, SegmentReady, Transcribe, TranscriptReady
from antiphon.wire.transcriptions import (
    MAX_FILE_BYTES,
    TranscriptionJson,
    TranscriptionOptions,
    TranscriptionVerbose,
    TranscriptTextDelta,
    TranscriptTextDone,
    TranslationOptions,
)

RATE_HZ = 16_000
"""What recognisers work with."""
MAX_BODY_BYTES = MAX_FILE_BYTES + 2**20
"""The file, and the form around it."""
_CLIP_S = 30.0
"""What is longer is a recording: its caller has time."""


@post(
    "/v1/audio/transcriptions",
    status_code=200,
    summary="Speech to text",
    tags=["audio"],
    request_max_body_size=MAX_BODY_BYTES,
    opt={
        "form": TranscriptionOptions,
        "answers": {
            JSON: (TranscriptionJson, TranscriptionVerbose),
            PLAIN: (str,),
            EVENT_STREAM: (TranscriptTextDelta, TranscriptTextDone),
        },
    },
)
async def create_transcription(request: RestRequest) -> ASGIApp:
    """Write down what is said in an audio file.

    With `stream=true` the answer is a stream of the events `transcript.text.delta` and `transcript.text.done`.
    """
    check_room(services_of(request).has_room)
    charge_request(services_of(request).limiter, identity_of(request).account)
    async with audio_form(request, TranscriptionOptions) as form:
        options = form.options
        _check(options)
        work = await _decoded(request, form, _work_of(options))
    entries = await _transcribe(request, work)
    if options.stream:
        return Streaming(_events(entries), EVENT_STREAM, last_words=error_event)
    transcript = await attended(request.receive, _last(entries))
    return _answer(transcript, options, translated=False)


@post(
    "/v1/audio/translations",
    status_code=200,
    summary="Speech to English text",
    tags=["audio"],
    request_max_body_size=MAX_BODY_BYTES,
    opt={"form": TranslationOptions, "answers": {JSON: (TranscriptionJson, TranscriptionVerbose), PLAIN: (str,)}},
)
async def create_translation(request: RestRequest) -> ASGIApp:
    """Write down in English what is said in an audio file of any language."""
    check_room(services_of(request).has_room)
    charge_request(services_of(request).limiter, identity_of(request).account)
    async with audio_form(request, TranslationOptions) as form:
        wish = form.options
        work = Transcribe(
            b"", 0, prompt=wish.prompt or "", model=wish.model, translate=True, temperature=wish.temperature or 0.0
        )
        work = await _decoded(request, form, work)
    entries = await _transcribe(request, work)
    transcript = await attended(request.receive, _last(entries))
    return _answer(transcript, wish, translated=True)


def _check(options: TranscriptionOptions) -> None:
    """Refuse what no engine here can do, by the name of the field."""
    if options.response_format == "diarized_json":
        raise InvalidRequest(
            "Speakers are not told apart here yet: 'diarized_json' is not available.",
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


async def _decoded(request: RestRequest, form: AudioForm[Any], work: Transcribe) -> Transcribe:
    """Put the file's sound into the work."""
    audio = await attended(request.receive, decoded(_pieces(request, form.file)))
    return msgspec.structs.replace(work, audio=audio, rate_hz=RATE_HZ)


async def _pieces(request: RestRequest, file: IO[bytes]) -> AsyncGenerator[bytes]:
    """Yield the file's sound; what is there of it counts as waiting audio."""
    services, account = services_of(request), identity_of(request).account
    pieces = services.decoder.decode(file, RATE_HZ, caller=account.key_id)
    with services.waiting_audio.hold(account) as grow:
        async with aclosing(pieces):
            async for piece in pieces:
                grow(len(piece))
                yield piece


async def _transcribe(request: RestRequest, work: Transcribe) -> AsyncGenerator[PipeEntry]:
    """Hand the work to a worker, and return its results once the first is there."""
    return await attended(request.receive, begun(_results(request, work)))


async def _results(request: RestRequest, work: Transcribe) -> AsyncGenerator[PipeEntry]:
    services, identity = services_of(request), identity_of(request)
    priority = TOLERANT if work.duration_s <= _CLIP_S else PATIENT
    entries = services.desk.run(work, tenant=identity.tenant, correlation_id=correlation_of(request), priority=priority)
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
    """Send every segment as it is known; the deltas join to the text of the last event."""
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
    """Return ``text`` as it goes on behind ``before``."""
    return text if before and text[:1].isspace() else f" {text.strip()}" if before else text.strip()


def _answer(
    transcript: TranscriptReady, options: TranscriptionOptions | TranslationOptions, *, translated: bool
) -> ASGIApp:
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
