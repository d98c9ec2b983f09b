"""The error codes of dubbing, with their severity, and whether a retry may succeed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Nature:
    """The properties of a code."""

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
