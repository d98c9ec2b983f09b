"""Payloads of the Socket.IO events that a media worker sends. Unknown fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
import pybase64
from msgspec import Meta, Struct

from antiphon.errors import InvalidRequest
from antiphon.text.json_size import MOST_VALUES
from antiphon.text.quoting import quoted
from antiphon.wire.event_scan import MOST_TEXT
from antiphon.wire.half_characters import find_half, refusal_of
from antiphon.wire.validation_errors import explain

AudioFormat = Literal["m4a", "aac", "wav", "pcm_s16le", "pcm_f32le"]
FORMATS: tuple[AudioFormat, ...] = ("m4a", "aac", "wav", "pcm_s16le", "pcm_f32le")
MAX_AUDIO_BASE64 = 13_981_017
"""Maximum base64 characters of one fragment, for 10 MiB of audio."""
_TAKEN = "taken"
"""Placeholder in a payload for audio that was extracted."""

Id = Annotated[str, Meta(min_length=1, max_length=512)]
Language = Annotated[str, Meta(min_length=2, max_length=10)]
RateHz = Annotated[int, Meta(ge=8_000, le=96_000)]
Channels = Annotated[int, Meta(ge=1, le=2)]

T = TypeVar("T", bound=Struct)


class StreamConfig(Struct, frozen=True, kw_only=True):
    """Languages, voice, and the audio format of both directions."""

    source_language: Language
    target_language: Language
    voice_profile: Annotated[str, Meta(min_length=1, max_length=512)]
    chunk_duration_ms: Annotated[int, Meta(ge=100, le=10_000)]
    """Length of a usual fragment."""
    sample_rate_hz: RateHz
    channels: Channels
    format: AudioFormat
    domain_hints: tuple[str, ...] | None = None
    """Subject: ``sports``, ``football``, ``basketball``, ``news``, ``interview``, ``general``."""


class StreamInit(Struct, frozen=True, kw_only=True):
    """Begin a stream, or resume one whose connection was lost."""

    stream_id: Id
    worker_id: Id
    config: StreamConfig
    max_inflight: Annotated[int, Meta(ge=1, le=10)] = 3
    """The worker's own limit; the service accepts up to ten."""
    timeout_ms: Annotated[int, Meta(ge=1_000, le=30_000)] = 8_000
    """Timeout of a fragment."""


class FragmentAudio(Struct, frozen=True, kw_only=True):
    """Audio of a fragment. A container overrides these fields."""

    format: str
    sample_rate_hz: RateHz
    channels: Channels
    duration_ms: Annotated[int, Meta(ge=0, le=60_000)]
    data_base64: Annotated[str, Meta(min_length=1)]


class FragmentData(Struct, frozen=True, kw_only=True):
    """One piece of the broadcast."""

    fragment_id: Id
    stream_id: Id
    sequence_number: Annotated[int, Meta(ge=0, lt=2**53)]
    timestamp: Annotated[int, Meta(ge=0)]
    """Milliseconds."""
    audio: FragmentAudio
    metadata: dict[str, Any] | None = None
    """``pts_ns``, ``source_pts_ns`` and arbitrary fields of the worker."""

    @property
    def pts_ms(self) -> int | None:
        """Position of the fragment in the broadcast, if the worker gives one."""
        pts = (self.metadata or {}).get("pts_ns")
        return int(pts / 1e6) if isinstance(pts, (int, float)) and 0 <= pts < 2**63 else None


class StreamCommand(Struct, frozen=True, kw_only=True):
    """``stream:pause``, ``stream:resume`` and ``stream:end``; without an id, of the connection's own stream."""

    stream_id: Id | None = None
    reason: str | None = None


class WorkerAck(Struct, frozen=True, kw_only=True):
    """The worker has received or applied a result. Informational."""

    fragment_id: Id
    status: Literal["received", "applied"]
    timestamp: int = 0


class SimulationRule(Struct, frozen=True, kw_only=True):
    """Echo mode: which fragments fail, and how."""

    trigger: Literal["sequence_number", "fragment_id", "nth_fragment"]
    value: int | str
    error_code: Annotated[str, Meta(min_length=1, max_length=64)]
    error_message: Annotated[str, Meta(min_length=1, max_length=512)] = "simulated error"
    retryable: bool = True
    stage: Literal["asr", "translation", "tts"] = "asr"

    def __post_init__(self) -> None:
        if self.trigger == "nth_fragment" and not (isinstance(self.value, int) and self.value >= 1):
            raise ValueError("value: nth_fragment counts from 1")
        if self.trigger == "sequence_number" and not isinstance(self.value, int):
            raise ValueError("value: a sequence number is an integer")


class ErrorSimulation(Struct, frozen=True, kw_only=True):
    """Echo mode: replaces the rules of the stream."""

    enabled: bool
    rules: tuple[SimulationRule, ...] = ()


class SimulateDisconnect(Struct, frozen=True, kw_only=True):
    """Echo mode: be disconnected."""

    delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    reason: str | None = None


def parse(payload: object, kind: type[T]) -> T:
    """Convert a payload. Raises `InvalidRequest`, which names the field."""
    if not isinstance(payload, dict):
        most, kind_of = f"{MOST_VALUES:,} values and {MOST_TEXT // 2**20} MiB of text", type(payload).__name__
        raise InvalidRequest(f"The payload must be an object of at most {most}, not {kind_of}.", param=None)
    if (half := find_half(payload)) is not None:
        why = refusal_of(half)
        raise InvalidRequest(why.message, code=why.code, param=why.param)
    try:
        return msgspec.convert(payload, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        why = explain(str(error))
        raise InvalidRequest(why.message, code=why.code, param=why.param) from error


def take_audio(payload: Any) -> tuple[Any, bytes | None]:
    """Split a fragment's payload into itself without audio, and the audio; None if that cannot be decoded."""
    match payload:
        case {"audio": {"data_base64": str(text)} as about} if 0 < len(text) <= MAX_AUDIO_BASE64:
            try:
                audio = pybase64.b64decode(text, validate=True)
            except ValueError:
                return payload, None
            return {**payload, "audio": {**about, "data_base64": _TAKEN}}, audio
        case _:
            return payload, None


def check_audio(audio: FragmentAudio, *, is_decoded: bool) -> None:
    """Raise `InvalidRequest` for an unknown format, and for audio that `take_audio` could not decode."""
    if audio.format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"Unknown audio format {quoted(audio.format)}; known are {known}.", param="audio.format")
    if not is_decoded:
        raise InvalidRequest("audio.data_base64 is not base64.", param="audio.data_base64")


EVENTS: dict[str, type[Struct]] = {
    "stream:init": StreamInit,
    "fragment:data": FragmentData,
    "fragment:ack": WorkerAck,
    "stream:pause": StreamCommand,
    "stream:resume": StreamCommand,
    "stream:end": StreamCommand,
    "config:error_simulation": ErrorSimulation,
    "simulate:disconnect": SimulateDisconnect,
}
"""Every event by its name; the last two in echo mode only."""
