"""The response object of the Realtime protocol."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.wire.realtime_items import OwnItem
from antiphon.wire.realtime_session import AudioFormat, MaxTokens, Modality

ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
Reason = Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]


class ResponseError(msgspec.Struct, frozen=True):
    """Why a response failed."""

    type: str
    code: str | None
    message: str


class StatusDetails(msgspec.Struct, frozen=True):
    """Details of a response that did not complete normally."""

    type: Literal["cancelled", "incomplete", "failed"]
    reason: Reason | UnsetType = UNSET
    error: ResponseError | UnsetType = UNSET


class CachedTokens(msgspec.Struct, frozen=True):
    """Input tokens that came out of a prompt cache."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokens(msgspec.Struct, frozen=True):
    """Input tokens by kind; audio counts 10 a second."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokens = CachedTokens()


class OutputTokens(msgspec.Struct, frozen=True):
    """Output tokens by kind; audio counts 20 a second."""

    text_tokens: int = 0
    audio_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Token usage of a response."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokens = InputTokens()
    output_token_details: OutputTokens = OutputTokens()


class ResponseAudioOutput(msgspec.Struct, frozen=True):
    """How the answer is spoken."""

    format: AudioFormat
    voice: str


class ResponseAudioFormat(msgspec.Struct, frozen=True):
    """The audio part of a response object."""

    output: ResponseAudioOutput


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response, in progress or done. ``output`` never holds audio; ``conversation_id`` is null out of band."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: tuple[OwnItem, ...] = ()
    conversation_id: str | None
    output_modalities: list[Modality]
    max_output_tokens: MaxTokens
    audio: ResponseAudioFormat
    usage: Usage | None = None
    metadata: dict[str, str] | None = None
