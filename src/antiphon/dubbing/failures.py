"""Maps the error of a stage to the code that its worker receives, and to whether a retry may succeed."""

from __future__ import annotations

from msgspec import UNSET

from antiphon.dubbing.codes import NATURES
from antiphon.entities.dubbing import ProcessingError, Stage
from antiphon.errors import (
    AntiphonError,
    InvalidRequest,
    ProviderRejected,
    ProviderTimeout,
    RateLimited,
    Transient,
    Unsupported,
)

_AWAY: dict[Stage, str] = {"asr": "MODEL_ERROR", "translation": "TRANSLATION_API_UNAVAILABLE", "tts": "MODEL_ERROR"}
_FAILED: dict[Stage, str] = {"asr": "ASR_FAILED", "translation": "TRANSLATION_FAILED", "tts": "TTS_SYNTHESIS_FAILED"}
_AUDIO = "invalid_audio"
_TEXT_REFUSED = "translation_failed"
"""Code of a service that refuses the text, not the caller."""


def failure(stage: Stage, error: AntiphonError) -> ProcessingError:
    """Return the error of a fragment whose ``stage`` raised ``error``."""
    code = _code(stage, error)
    retryable = NATURES[code].retryable and isinstance(error, Transient)
    details = {"retry_after_seconds": error.retry_after_s} if isinstance(error, RateLimited) else UNSET
    return ProcessingError(stage=stage, code=code, message=error.message, retryable=retryable, details=details)


def _code(stage: Stage, error: AntiphonError) -> str:
    match error:
        case ProviderTimeout():
            return "TIMEOUT"
        case RateLimited():
            return "RATE_LIMIT_EXCEEDED"
        case Transient():
            return _AWAY[stage]
        case InvalidRequest(code=code) if code == _AUDIO:
            return "INVALID_AUDIO_FORMAT"
        case Unsupported() if stage != "asr":
            return "UNSUPPORTED_LANGUAGE"
        case ProviderRejected(code=code) if stage == "translation" and code != _TEXT_REFUSED:
            return "TRANSLATION_API_UNAVAILABLE"
        case _:
            return _FAILED[stage]
