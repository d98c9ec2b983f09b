"""The dubbing door."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field

from antiphon.ports.settings import HOUR_MS, MANY, WEEK_S, Section


class DubbingSettings(Section):
    """The dubbing door."""

    dubbing_mode: Literal["full", "echo"] = Field(
        default="full", description="`echo` sends every fragment back as it came, for tests of workers."
    )
    dubbing_echo_delay_ms: int = Field(
        default=0,
        ge=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ECHO_PROCESSING_DELAY_MS"),
        description="Echo mode: time that a fragment takes.",
    )
    dubbing_capabilities: Literal["both", "array", "object"] = Field(
        default="both",
        description="Form of `capabilities` in `stream:ready`: an array, an object, or an array with the object as "
        "`server_capabilities` beside it. Echo mode sends the object.",
    )
    dubbing_require_auth: bool = Field(
        default=True,
        validation_alias=AliasChoices("ANTIPHON_REQUIRE_AUTH"),
        description="False lets workers without a key in, also where keys are configured; a key that is sent counts.",
    )
    dubbing_polling: bool = Field(
        default=True, description="False lets workers connect over WebSockets alone, and not by HTTP requests."
    )
    dubbing_max_connections: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_WS_MAX_CONNECTIONS"),
        description="Most workers at a time.",
    )
    dubbing_connections_per_key: int = Field(
        default=10,
        ge=1,
        le=MANY,
        description="Most workers with one key; four fifths of all where there are several keys and that is less.",
    )
    dubbing_fragments_per_min: int = Field(
        default=100,
        ge=0,
        le=MANY,
        description="Most fragments of a stream in a minute, where keys are configured; 0: no limit.",
    )
    dubbing_ping_interval_s: float = Field(
        default=25.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("WS_PING_INTERVAL"),
        description="Between two pings of Socket.IO, seconds.",
    )
    dubbing_ping_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("WS_PING_TIMEOUT"),
        description="A worker that does not answer a ping for so long is gone, seconds.",
    )
    dubbing_idle_s: float = Field(
        default=60.0,
        gt=0,
        le=WEEK_S,
        description="A connection without a stream that sends nothing for so long is closed, s.",
    )
    dubbing_stall_s: float = Field(
        default=10.0, gt=0, le=WEEK_S, description="How long a worker may not read before it is cut off, seconds."
    )
    dubbing_close_s: float = Field(
        default=5.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("AUTO_DISCONNECT_DELAY"),
        description="From the end of a stream to the end of its connection, seconds.",
    )
    dubbing_resume_s: float = Field(
        default=60.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("RESUME_WINDOW_S"),
        description="How long a stream whose connection was lost is kept, seconds.",
    )
    dubbing_gap_timeout_ms: int | None = Field(
        default=None,
        ge=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("GAP_TIMEOUT_MS"),
        description="How long a missing fragment holds up those behind it; unset: the stream's timeout, at most 8000.",
    )
    dubbing_asr_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ASR_TIMEOUT_MS"),
        description="Longest recognition of a fragment.",
    )
    dubbing_translation_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("TRANSLATION_TIMEOUT_MS"),
        description="Longest translation of a fragment.",
    )
    dubbing_tts_timeout_ms: int = Field(
        default=10_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("TTS_TIMEOUT_MS"),
        description="Longest speech of a fragment.",
    )
    dubbing_backpressure_low: int = Field(
        default=3,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_LOW"),
        description="Most fragments in flight without a word about it.",
    )
    dubbing_backpressure_medium: int = Field(
        default=6,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_MEDIUM"),
        description="Most fragments in flight while the worker is asked to slow down.",
    )
    dubbing_backpressure_high: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_HIGH"),
        description="Above `medium` the worker is asked to pause; above this, where more are taken, once more.",
    )
    dubbing_backpressure_critical: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("BACKPRESSURE_THRESHOLD_CRITICAL"),
        description="Most fragments in flight at all; further ones are refused.",
    )
    dubbing_variance_success: float = Field(
        default=0.10,
        ge=0,
        le=1,
        validation_alias=AliasChoices("DURATION_VARIANCE_SUCCESS_MAX"),
        description="Most that dubbed speech may be longer than its fragment, as a share, to be a success.",
    )
    dubbing_variance_partial: float = Field(
        default=0.20,
        ge=0,
        le=1,
        validation_alias=AliasChoices("DURATION_VARIANCE_PARTIAL_MAX"),
        description="Most that it may be longer to be played at all.",
    )
    dubbing_only_speed_up: bool = Field(
        default=True, description="False slows short speech down to half its speed; True lets silence follow it."
    )
    dubbing_fallback: Literal["silence", "original"] = Field(
        default="silence",
        validation_alias=AliasChoices("FALLBACK_MODE"),
        description="What is played where nothing is said: silence, or the sound as it came.",
    )
    dubbing_drop_speaker_labels: bool = Field(
        default=False, description="True leaves names before a colon out of what is translated."
    )
    dubbing_voices: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("VOICE_PROFILES_PATH"),
        description="JSON file of voice profiles.",
    )
    dubbing_keeps_artifacts: bool = Field(
        default=True,
        validation_alias=AliasChoices("ENABLE_ARTIFACT_LOGGING"),
        description="False keeps nothing of a fragment.",
    )
    dubbing_artifacts: Literal["auto", "metadata", "media"] = Field(
        default="auto",
        validation_alias=AliasChoices("ANTIPHON_ARTIFACT_CAPTURE", "ANTIPHON_ARTIFACTS_CAPTURE"),
        description="What is kept of each fragment: texts and facts, or its audio too. `auto`: audio too where neither "
        "keys nor Redis are configured.",
    )
    dubbing_artifacts_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("ARTIFACTS_PATH", "ARTIFACT_PATH"),
        description="Folder of it; unset: `artifacts` in the data directory.",
    )
    dubbing_artifacts_hours: float = Field(
        default=24.0,
        gt=0,
        le=87_600,
        validation_alias=AliasChoices("ARTIFACT_RETENTION_HOURS", "ARTIFACTS_RETENTION_HOURS"),
        description="How long it is kept.",
    )
    dubbing_artifacts_max_mib: int = Field(
        default=10_240,
        ge=1,
        le=MANY,
        description="Most MiB of them in all; beyond, the oldest go of the key that keeps the most.",
    )
    dubbing_artifacts_max_count: int = Field(
        default=1_000,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ARTIFACT_MAX_COUNT", "ARTIFACTS_MAX_COUNT"),
        description="Most fragments kept of one stream.",
    )
    dub_workers: int = Field(
        default=16, ge=1, le=1024, description="Fragments on their way through the stages at a time."
    )
