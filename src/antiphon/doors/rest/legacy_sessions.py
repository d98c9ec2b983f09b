"""``POST /v1/realtime/sessions`` and ``/transcription_sessions``: client secrets in the shape of the beta interface."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from antiphon.doors.access.authentication import Identity
from antiphon.doors.access.client_secrets import IssuedSecret
from antiphon.doors.errors import invalid_of
from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.rest.client_secrets import issue
from antiphon.doors.rest.services import RestServices
from antiphon.errors import InvalidRequest
from antiphon.wire.legacy_session import (
    LegacyClientSecret,
    LegacySecretOptions,
    LegacySession,
    LegacySessionAnswer,
    LegacyTranscriptionAnswer,
    LegacyTranscriptionSession,
)
from antiphon.wire.realtime_session import (
    AudioInput,
    RealtimeSession,
    RealtimeUpdate,
    TranscriptionSession,
    TranscriptionUpdate,
)

TTL_S = 60
_TYPES = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


async def create_legacy_session(services: RestServices, call: Call[LegacySession, Any]) -> LegacySessionAnswer:
    """Make a key that opens realtime sessions, in the flat shape of the beta interface.

    Only this call has that shape; the session itself uses the present protocol.
    """
    asked = call.body
    wish = _convert(_realtime_wish(asked), RealtimeUpdate)
    described = services.describe_session(wish)
    assert isinstance(described, RealtimeSession)  # noqa: S101 -- a realtime wish describes a realtime session
    secret = _issue(services, call.identity, wish, asked.client_secret)
    listening = described.audio.input
    return LegacySessionAnswer(
        id=described.id,
        expires_at=described.expires_at,
        model=described.model,
        modalities=_modalities(described),
        instructions=described.instructions,
        voice=described.audio.output.voice,
        speed=described.audio.output.speed,
        temperature=asked.temperature,
        input_audio_format=asked.input_audio_format,
        output_audio_format=asked.output_audio_format,
        input_audio_transcription=listening.transcription,
        input_audio_noise_reduction=listening.noise_reduction,
        turn_detection=listening.turn_detection,
        tools=list(described.tools),
        tool_choice=described.tool_choice,
        tracing=described.tracing,
        max_response_output_tokens=described.max_output_tokens,
        client_secret=LegacyClientSecret(secret.value, secret.expires_at),
    )


async def create_legacy_transcription_session(
    services: RestServices, call: Call[LegacyTranscriptionSession, Any]
) -> LegacyTranscriptionAnswer:
    """Make a key that opens transcription sessions, in the flat shape of the beta interface."""
    asked = call.body
    content = {"type": "transcription", "audio": {"input": _input(asked)}, "include": asked.include}
    wish = _convert(_sent(content), TranscriptionUpdate)
    described = services.describe_session(wish)
    assert isinstance(described, TranscriptionSession)  # noqa: S101 -- as above
    secret = _issue(services, call.identity, wish, asked.client_secret)
    listening: AudioInput = described.audio.input
    return LegacyTranscriptionAnswer(
        id=described.id,
        expires_at=described.expires_at,
        modalities=["text", "audio"],
        input_audio_format=asked.input_audio_format,
        input_audio_transcription=listening.transcription,
        input_audio_noise_reduction=listening.noise_reduction,
        turn_detection=listening.turn_detection,
        include=described.include,
        client_secret=LegacyClientSecret(secret.value, secret.expires_at),
    )


def _realtime_wish(asked: LegacySession) -> dict[str, Any]:
    text_only = asked.modalities == ["text"]
    speaking = _sent({"format": _format(asked.output_audio_format), "voice": asked.voice, "speed": asked.speed})
    return _sent(
        {
            "type": "realtime",
            "model": asked.model,
            "output_modalities": ["text"] if text_only else ["audio"],
            "instructions": asked.instructions,
            "tools": asked.tools,
            "tool_choice": asked.tool_choice,
            "tracing": asked.tracing,
            "max_output_tokens": asked.max_response_output_tokens,
            "audio": {"input": _input(asked), "output": speaking},
        }
    )


def _input(asked: LegacySession | LegacyTranscriptionSession) -> dict[str, Any]:
    return _sent(
        {
            "format": _format(asked.input_audio_format),
            "transcription": asked.input_audio_transcription,
            "noise_reduction": asked.input_audio_noise_reduction,
            "turn_detection": asked.turn_detection,
        }
    )


def _format(name: str) -> dict[str, Any]:
    return {"type": _TYPES[name]}


def _sent(fields: dict[str, Any]) -> dict[str, Any]:
    """Drop the fields that the client did not send."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def _convert(content: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(msgspec.to_builtins(content), kind)
    except msgspec.ValidationError as exc:
        raise invalid_of(str(exc)) from exc


def _modalities(session: RealtimeSession) -> list[str]:
    return ["text"] if session.output_modalities == ["text"] else ["audio", "text"]


def _issue(services: RestServices, issuer: Identity, wish: Any, options: LegacySecretOptions | None) -> IssuedSecret:
    expires = (options.expires_after or options.expires_at) if options else None
    return issue(services, issuer, wish, expires, kind=str(wish.__struct_config__.tag), default_ttl_s=TTL_S)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST", "/v1/realtime/sessions", create_legacy_session, "Make a client secret (beta)", "realtime",
        {JSON: (LegacySessionAnswer,)}, body=JsonBody(LegacySession, is_required=False), errors=(InvalidRequest,),
    ),
    Route(
        "POST", "/v1/realtime/transcription_sessions", create_legacy_transcription_session,
        "Make a client secret for transcription (beta)", "realtime",
        {JSON: (LegacyTranscriptionAnswer,)}, body=JsonBody(LegacyTranscriptionSession, is_required=False),
        errors=(InvalidRequest,),
    ),
)  # fmt: skip
