"""The error of a stage becomes a code that says whether a retry may succeed."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from antiphon.dubbing.codes import NATURES
from antiphon.dubbing.failures import failure
from antiphon.entities.dubbing import Stage
from antiphon.errors import (
    AntiphonError,
    InvalidRequest,
    Overloaded,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Unsupported,
)

STAGES: tuple[Stage, ...] = ("asr", "translation", "tts")
CODES: list[tuple[AntiphonError, tuple[str, str, str], bool]] = [
    (ProviderTimeout("m"), ("TIMEOUT",) * 3, True),
    (RateLimited("m", retry_after_s=2), ("RATE_LIMIT_EXCEEDED",) * 3, True),
    (ProviderUnavailable("m"), ("MODEL_ERROR", "TRANSLATION_API_UNAVAILABLE", "MODEL_ERROR"), True),
    (ProviderBusy("m"), ("MODEL_ERROR", "TRANSLATION_API_UNAVAILABLE", "MODEL_ERROR"), True),
    (Overloaded("m"), ("MODEL_ERROR", "TRANSLATION_API_UNAVAILABLE", "MODEL_ERROR"), True),
    (InvalidRequest("m", code="invalid_audio"), ("INVALID_AUDIO_FORMAT",) * 3, False),
    (InvalidRequest("m"), ("ASR_FAILED", "TRANSLATION_FAILED", "TTS_SYNTHESIS_FAILED"), False),
    (Unsupported("m"), ("ASR_FAILED", "UNSUPPORTED_LANGUAGE", "UNSUPPORTED_LANGUAGE"), False),
    (ProviderRejected("m"), ("ASR_FAILED", "TRANSLATION_API_UNAVAILABLE", "TTS_SYNTHESIS_FAILED"), False),
    (
        ProviderRejected("m", code="translation_failed"),
        ("ASR_FAILED", "TRANSLATION_FAILED", "TTS_SYNTHESIS_FAILED"),
        False,
    ),
]


@pytest.mark.parametrize(("error", "codes", "retryable"), CODES, ids=lambda one: getattr(one, "code", None))
def test_each_stage_has_a_code_for_each_kind_of_error(
    error: AntiphonError, codes: tuple[str, str, str], retryable: bool
) -> None:
    told = [failure(stage, error) for stage in STAGES]
    assert [one.stage for one in told] == list(STAGES)
    assert tuple(one.code for one in told) == codes
    assert {one.retryable for one in told} == {retryable}
    assert {one.message for one in told} == {"m"}
    assert set(codes) <= NATURES.keys(), "every code has a severity"


@pytest.mark.parametrize("stage", STAGES)
def test_a_rate_limit_says_when_to_send_the_fragment_again(stage: Stage) -> None:
    assert failure(stage, RateLimited("m", retry_after_s=2)).details == {"retry_after_seconds": 2}


def test_other_errors_have_no_details() -> None:
    assert failure("asr", ProviderTimeout("m")).details is UNSET


def test_a_permanent_error_is_not_retryable_though_its_code_often_is() -> None:
    refused = failure("translation", ProviderRejected("m"))
    assert NATURES[refused.code].retryable
    assert not refused.retryable
