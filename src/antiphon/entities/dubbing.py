"""Results of dubbing fragments, from workers to clients."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Stage = Literal["asr", "translation", "tts"]
Status = Literal["success", "partial", "failed"]


class StageTimings(Struct, frozen=True, kw_only=True):
    """Time in each stage; decoding counts for the first, fitting and encoding for the last."""

    asr_ms: int = 0
    translation_ms: int = 0
    tts_ms: int = 0


class ProcessingError(Struct, frozen=True, kw_only=True):
    """Why a fragment failed, or is `partial`."""

    stage: Stage
    code: str
    message: str
    retryable: bool
    details: dict[str, Any] | UnsetType = UNSET


class FragmentMetadata(Struct, frozen=True, kw_only=True):
    """How the lengths were matched, and the models used."""

    original_duration_ms: int
    dubbed_duration_ms: int
    duration_variance_percent: float
    speed_ratio: float
    """Playback speed relative to the synthesized speech, 0.5 to 2.0."""
    actual_variance_percent: float | UnsetType = UNSET
    asr_model: str
    translation_model: str
    """``none``, like `tts_model`, if there was nothing to translate or to speak."""
    tts_model: str
