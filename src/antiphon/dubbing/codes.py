"""The error codes of the dubbing door: whether the same thing may be tried again, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Nature:
    """What a code says beside its name."""

    retryable: bool
    severity: Literal["warning", "error", "fatal"] = "error"


NATURES: dict[str, Nature] = {
    "AUTH_FAILED": Nature(retryable=False, severity="fatal"),
    "STREAM_NOT_FOUND": Nature(retryable=False),
    "INVALID_CONFIG": Nature(retryable=False),
    "INVALID_VOICE_PROFILE": Nature(retryable=False),
    "UNSUPPORTED_LANGUAGE": Nature(retryable=False),
    "FRAGMENT_TOO_LARGE": Nature(retryable=False),
    "INVALID_SEQUENCE": Nature(retryable=False),
    "INVALID_AUDIO_FORMAT": Nature(retryable=False),
    "STREAM_PAUSED": Nature(retryable=False, severity="warning"),
    "BACKPRESSURE_EXCEEDED": Nature(retryable=True, severity="warning"),
    "RATE_LIMIT": Nature(retryable=True, severity="warning"),
    "TIMEOUT": Nature(retryable=True),
    "MODEL_ERROR": Nature(retryable=True),
    "RATE_LIMIT_EXCEEDED": Nature(retryable=True),
    "TRANSLATION_API_UNAVAILABLE": Nature(retryable=True),
    "ASR_FAILED": Nature(retryable=False),
    "TRANSLATION_FAILED": Nature(retryable=False),
    "TTS_SYNTHESIS_FAILED": Nature(retryable=False),
    "DURATION_MISMATCH": Nature(retryable=False),
    "DURATION_MISMATCH_EXCEEDED": Nature(retryable=False),
}
"""Every code that is sent."""
