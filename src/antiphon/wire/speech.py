"""Text to speech over REST: the request, and the events of its SSE form."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MAX_INPUT_CHARS = 4096

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class VoiceReference(msgspec.Struct, frozen=True):
    """A voice by its id."""

    id: Annotated[str, msgspec.Meta(max_length=256)]


class SpeechRequest(msgspec.Struct, frozen=True):
    """What to speak, and how. Unknown fields are ignored; unknown voices and models use the engine's default."""

    input: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_INPUT_CHARS)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = ""
    voice: Annotated[str, msgspec.Meta(max_length=256)] | VoiceReference = ""
    instructions: Annotated[str, msgspec.Meta(max_length=MAX_INPUT_CHARS)] | None = None
    response_format: SpeechFormat | None = "mp3"
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4.0)] | None = None
    """2.0 takes half the time; absent: the server's default."""
    stream_format: Literal["audio", "sse"] | None = "audio"


class SpeechUsage(msgspec.Struct, frozen=True):
    """An estimate: a token is four characters of text, or 50 ms of speech."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioDelta(msgspec.Struct, frozen=True, tag_field="type", tag="speech.audio.delta"):
    """More audio, base64, in the requested format."""

    audio: str


class SpeechAudioDone(msgspec.Struct, frozen=True, tag_field="type", tag="speech.audio.done"):
    """All text was spoken."""

    usage: SpeechUsage
