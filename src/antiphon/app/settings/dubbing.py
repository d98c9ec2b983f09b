"""Settings of the dubbing endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field

from antiphon.ports.settings import HOUR_MS, MANY, WEEK_S, Section


class DubbingSettings(Section):
    """The dubbing door."""

    dubbing_mode: Literal["full", "echo"] = Field(
        default="full", description="`echo` returns every fragment unchanged, to test workers."
    )
    dubbing_echo_delay_ms: int = Field(
        default=0,
        ge=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ECHO_PROCESSING_DELAY_MS"),
        description="Echo mode: processing time of a fragment, milliseconds.",
    )
    dubbing_capabilities: Literal["both", "array", "object"] = Field(
        default="both",
        description="Form of `capabilities` in `stream:ready`: an array, an object, or an array plus the object as "
        "`server_capabilities`. Echo mode sends the object.",
    )
    dubbing_require_auth: bool = Field(
        default=True,
        validation_alias=AliasChoices("ANTIPHON_REQUIRE_AUTH"),
        description="False admits workers without a key even where keys are configured; a key that is sent is still "
        "checked.",
    )
    dubbing_polling: bool = Field(
        default=True, description="False admits workers over WebSocket only, not over HTTP polling."
    )
    dubbing_max_connections: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_WS_MAX_CONNECTIONS"),
        description="Maximum concurrent workers.",
    )
    dubbing_connections_per_key: int = Field(
        default=10,
        ge=1,
        le=MANY,
        description="Maximum concurrent workers with one key; with several keys also at most four fifths of all.",
    )
    dubbing_fragments_per_min: int = Field(
        default=100,
        ge=0,
        le=MANY,
        description="Maximum fragments per stream and minute, where keys are configured; 0: no limit.",
    )
    dubbing_ping_interval_s: float = Field(
        default=25.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("WS_PING_INTERVAL"),
        description="Socket.IO ping interval, seconds.",
    )
    dubbing_ping_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("WS_PING_TIMEOUT"),
        description="A worker that does not answer a ping for this long is disconnected, seconds.",
    )
    dubbing_idle_s: float = Field(
        default=60.0,
        gt=0,
        le=WEEK_S,
        description="A connection without a stream that sends nothing for this long is closed, seconds.",
    )
    dubbing_stall_s: float = Field(
        default=10.0, gt=0, le=WEEK_S, description="A worker that reads nothing for this long is disconnected, seconds."
    )
    dubbing_close_s: float = Field(
        default=5.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("AUTO_DISCONNECT_DELAY"),
        description="Delay from the end of a stream to the close of its connection, seconds.",
    )
    dubbing_resume_s: float = Field(
        default=60.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("RESUME_WINDOW_S"),
        description="How long a stream can be resumed after its connection is lost, seconds.",
    )
    dubbing_gap_timeout_ms: int | None = Field(
        default=None,
        ge=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("GAP_TIMEOUT_MS"),
        description="How long a missing fragment delays those after it, milliseconds; unset: the stream's timeout, at "
        "most 8000.",
    )
    dubbing_asr_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ASR_TIMEOUT_MS"),
        description="Timeout of speech recognition for a fragment, milliseconds.",
    )
    dubbing_translation_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("TRANSLATION_TIMEOUT_MS"),
        description="Timeout of translation for a fragment, milliseconds.",
    )
    dubbing_tts_timeout_ms: int = Field(
        default=10_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("TTS_TIMEOUT_MS"),
        description="Timeout of speech synthesis for a fragment, milliseconds.",
    )
    dubbing_backpressure_low: int = Field(
        default=3,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_LOW"),
        description="In-flight fragments up to which no backpressure is signalled.",
    )
    dubbing_backpressure_medium: int = Field(
        default=6,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_MEDIUM"),
        description="In-flight fragments up to which the worker is asked to slow down; above it, to pause.",
    )
    dubbing_backpressure_high: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_HIGH"),
        description="In-flight fragments above which the request to pause is repeated, if `critical` is higher.",
    )
    dubbing_backpressure_critical: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_CRITICAL"),
        description="Maximum in-flight fragments; further ones are refused.",
    )
    dubbing_variance_success: float = Field(
        default=0.10,
        ge=0,
        le=1,
        validation_alias=AliasChoices("DURATION_VARIANCE_SUCCESS_MAX"),
        description="Maximum relative overrun of dubbed speech for a result to count as a success.",
    )
    dubbing_variance_partial: float = Field(
        default=0.20,
        ge=0,
        le=1,
        validation_alias=AliasChoices("DURATION_VARIANCE_PARTIAL_MAX"),
        description="Maximum relative overrun of dubbed speech; longer results fail.",
    )
    dubbing_only_speed_up: bool = Field(
        default=True, description="True pads short speech with silence; False slows it down, to half its speed at most."
    )
    dubbing_fallback: Literal["silence", "original"] = Field(
        default="silence",
        validation_alias=AliasChoices("FALLBACK_MODE"),
        description="Played for a fragment without dubbed speech: silence, or the original audio.",
    )
    dubbing_drop_speaker_labels: bool = Field(
        default=False, description="True removes speaker names before a colon from the text to translate."
    )
    dubbing_voices: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("VOICE_PROFILES_PATH"),
        description="JSON file of voice profiles.",
    )
    dubbing_keeps_artifacts: bool = Field(
        default=True,
        validation_alias=AliasChoices("ENABLE_ARTIFACT_LOGGING"),
        description="False stores no artifacts of fragments.",
    )
    dubbing_artifacts: Literal["auto", "metadata", "media"] = Field(
        default="auto",
        validation_alias=AliasChoices("ANTIPHON_ARTIFACT_CAPTURE", "ANTIPHON_ARTIFACTS_CAPTURE"),
        description="Artifacts stored per fragment: texts and metadata, or its audio too. `auto`: audio too where "
        "neither keys nor Redis are configured.",
    )
    dubbing_artifacts_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("ARTIFACTS_PATH", "ARTIFACT_PATH"),
        description="Directory for dubbing artifacts; unset: `artifacts` in the data directory.",
    )
    dubbing_artifacts_hours: float = Field(
        default=24.0,
        gt=0,
        le=87_600,
        validation_alias=AliasChoices("ARTIFACT_RETENTION_HOURS", "ARTIFACTS_RETENTION_HOURS"),
        description="How long dubbing artifacts are kept, hours.",
    )
    dubbing_artifacts_max_mib: int = Field(
        default=10_240,
        ge=1,
        le=MANY,
        description="Maximum size of all dubbing artifacts, MiB; beyond it the oldest of the key that stores most are "
        "deleted.",
    )
    dubbing_artifacts_max_count: int = Field(
        default=1_000,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ARTIFACT_MAX_COUNT", "ARTIFACTS_MAX_COUNT"),
        description="Maximum fragments stored per stream.",
    )
    dub_workers: int = Field(default=16, ge=1, le=1024, description="Fragments dubbed at a time.")
