"""The stages of a fragment, with scripted stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from antiphon.audio.containers import decode
from antiphon.audio.fragments import SPEECH_RATE_HZ
from antiphon.clock import VirtualClock
from antiphon.dubbing.pipeline import Maker, Pipeline, PipelineRules
from antiphon.entities.dubbing import FragmentMetadata
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.errors import (
    AntiphonError,
    Permanent,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Unsupported,
)
from antiphon.wire.entries import FragmentDubbed
from antiphon.wire.jobs import Dub
from tests.fragments import decode_fragment
from tests.options import fit_limits, pipeline_rules

P = ParamSpec("P")
T = TypeVar("T")
SPEECH_HZ = 24_000


def tone(seconds: float, rate_hz: int = 16_000) -> bytes:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return (np.sin(time * 2 * np.pi * 220) * 8_000).astype("<i2").tobytes()


WORK = Dub(
    stream_id="s",
    fragment_id="f",
    sequence_number=3,
    audio=tone(2.0),
    format="pcm_s16le",
    rate_hz=16_000,
    channels=1,
    duration_ms=2_000,
    until_s=0.0,
    start_ms=10_000,
    source="en",
    target="es",
    prompt="football",
    voice="ana",
    voice_profile="default",
    out_format="pcm_s16le",
    out_rate_hz=16_000,
    out_channels=1,
)


@dataclass
class Stages:
    """Says what it is told to, after so long, and keeps what it was asked."""

    clock: VirtualClock
    heard: str = "hello world"
    translated: str = "hola mundo"
    speech_s: float = 1.0
    takes_s: dict[str, float] = field(default_factory=dict[str, float])
    errors: dict[str, AntiphonError] = field(default_factory=dict[str, AntiphonError])
    asked: dict[str, Any] = field(default_factory=dict[str, Any])

    async def _stage(self, stage: str, within_s: float, **asked: Any) -> None:
        self.asked[stage] = asked
        takes_s = self.takes_s.get(stage, 0.0)
        self.clock.advance(min(takes_s, within_s))
        if takes_s > within_s:
            raise ProviderTimeout("too slow")
        if stage in self.errors:
            raise self.errors[stage]

    async def compute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    async def decode(self, file: bytes, *, within_s: float) -> bytes:
        del within_s
        return decode(file, SPEECH_RATE_HZ).data

    async def transcribe(self, audio: Pcm, *, language: str, prompt: str, within_s: float) -> tuple[Transcript, Maker]:
        await self._stage("asr", within_s, rate_hz=audio.rate_hz, s=audio.duration_s, language=language, prompt=prompt)
        segment = Segment(self.heard, 0.5, 1.5, average_logprob=-0.25)
        return Transcript(self.heard, "en", audio.duration_s, (segment,) if self.heard else ()), Maker(
            "ear", "ear-base"
        )

    async def translate(self, text: str, *, source: str, target: str, within_s: float) -> tuple[str, Maker]:
        await self._stage("translation", within_s, text=text, source=source, target=target)
        return self.translated, Maker("tongue", "tongue-1")

    async def speak(
        self, text: str, *, voice: str, model: str, language: str, speed: float, within_s: float
    ) -> tuple[Pcm, Maker]:
        await self._stage("tts", within_s, text=text, voice=voice, model=model, language=language, speed=speed)
        return Pcm(tone(self.speech_s, SPEECH_HZ), SPEECH_HZ), Maker("mouth", "mouth-v2")


async def dub(
    stages: Stages, work: Dub = WORK, rules: PipelineRules | None = None, within_s: float = 8.0
) -> FragmentDubbed:
    return await Pipeline(rules or pipeline_rules(), stages.clock).dub("job", work, stages, within_s=within_s)


def facts_of(done: FragmentDubbed) -> FragmentMetadata:
    assert done.metadata is not None
    return done.metadata


def models_of(done: FragmentDubbed) -> tuple[str, str, str]:
    facts = facts_of(done)
    return facts.asr_model, facts.translation_model, facts.tts_model


@pytest.fixture
def stages() -> Stages:
    return Stages(VirtualClock())


async def test_a_fragment_comes_back_in_another_language_and_as_long_as_it_was(stages: Stages) -> None:
    stages.takes_s = {"asr": 0.3, "translation": 0.2, "tts": 0.1}
    done = await dub(stages)
    assert (done.status, done.error, done.warnings) == ("success", None, ())
    assert (done.transcript, done.translated_text) == ("hello world", "hola mundo")
    assert (done.format, done.rate_hz, done.channels, done.duration_ms) == ("pcm_s16le", 16_000, 1, 2_000)
    assert len(done.audio) == 64_000
    assert (done.timings.asr_ms, done.timings.translation_ms, done.timings.tts_ms) == (300, 200, 100)
    assert stages.asked["asr"] == {"rate_hz": 16_000, "s": 2.0, "language": "en", "prompt": "football"}
    assert stages.asked["translation"] == {"text": "hello world", "source": "en", "target": "es"}
    told = {"text": "hola mundo", "voice": "ana", "model": "", "language": "es", "speed": 1.0}
    assert stages.asked["tts"] == told
    facts = facts_of(done)
    assert (facts.original_duration_ms, facts.dubbed_duration_ms, facts.duration_variance_percent) == (2000, 2000, 0.0)
    assert (facts.speed_ratio, facts.actual_variance_percent) == (1.0, UNSET)
    assert models_of(done) == ("ear-base", "tongue-1", "mouth-v2")


async def test_what_the_stages_made_names_what_it_was_made_from(stages: Stages) -> None:
    done = await dub(stages)
    transcript, translation, audio = done.assets
    assert transcript["segments"] == (
        {"text": "hello world", "start_ms": 10_500, "end_ms": 11_500, "confidence": 0.75},
    )
    assert translation["parent_asset_ids"] == (transcript["asset_id"],) == ("transcript-f",)
    assert audio["parent_asset_ids"] == (translation["asset_id"],) == ("translation-f",)
    assert {asset["status"] for asset in done.assets} == {"SUCCESS"}
    makers = [(asset["component_instance"], asset["model_id"]) for asset in done.assets]
    assert makers == [("ear", "ear-base"), ("tongue", "tongue-1"), ("mouth", "mouth-v2")]
    assert "audio_bytes" not in audio
    assert done.lineage["audio_asset_id"] == "audio-dubbed-f"


@pytest.mark.parametrize("heard", ["", "  ", "[Music]", "♪ la la la ♪", "(applause)", "..."])
async def test_where_nothing_is_said_there_is_silence(stages: Stages, heard: str) -> None:
    stages.heard = heard
    done = await dub(stages)
    assert (done.status, done.transcript, done.translated_text) == ("success", "", "")
    assert done.audio == bytes(64_000)
    assert set(stages.asked) == {"asr"}
    facts = facts_of(done)
    assert (facts.original_duration_ms, facts.dubbed_duration_ms) == (2_000, 2_000)
    assert (facts.duration_variance_percent, facts.speed_ratio) == (0.0, 1.0)
    assert models_of(done) == ("ear-base", "none", "none")
    assert done.assets[-1]["parent_asset_ids"] == ("transcript-f",)


async def test_where_nothing_is_said_the_original_may_be_played(stages: Stages) -> None:
    stages.heard = ""
    done = await dub(stages, rules=pipeline_rules(fallback="original"))
    assert done.audio == WORK.audio
    made_anew = await dub(
        stages, replace(WORK, out_rate_hz=48_000, out_channels=2), pipeline_rules(fallback="original")
    )
    assert len(made_anew.audio) == 2 * 48_000 * 4
    assert np.abs(np.frombuffer(made_anew.audio, "<i2")).max() > 4_000


async def test_a_translation_of_nothing_is_not_spoken(stages: Stages) -> None:
    stages.translated = " "
    done = await dub(stages)
    assert (done.status, done.transcript, done.translated_text) == ("success", "hello world", "")
    assert "tts" not in stages.asked
    assert models_of(done) == ("ear-base", "tongue-1", "none")


async def test_m4a_comes_back_as_m4a(stages: Stages) -> None:
    done = await dub(stages, replace(WORK, out_format="m4a", out_rate_hz=48_000, out_channels=2))
    assert (done.format, done.rate_hz, done.channels) == ("m4a", 48_000, 2)
    assert decode_fragment(done.audio, "m4a", 48_000, 2).duration_ms == pytest.approx(done.duration_ms, abs=1)
    assert done.duration_ms == pytest.approx(2_000, abs=25)


async def test_samples_too_many_for_one_message_come_back_as_m4a(stages: Stages) -> None:
    long = replace(WORK, audio=tone(20.0), duration_ms=20_000, out_rate_hz=48_000, out_channels=2)
    done = await dub(stages, long)
    assert (done.format, len(done.audio) < 2**20) == ("m4a", True)
    stages.heard = ""
    assert (await dub(stages, long)).format == "m4a"
    assert (await dub(stages, replace(long, out_channels=1))).format == "pcm_s16le"


async def test_the_audio_itself_says_how_long_it_is(stages: Stages) -> None:
    done = await dub(stages, replace(WORK, duration_ms=5_000))
    assert (done.duration_ms, facts_of(done).original_duration_ms) == (2_000, 2_000)
    near = await dub(stages, replace(WORK, duration_ms=2_050))
    assert near.duration_ms == 2_050


# 2 s of original: at most twice as quick, so 4 s of speech are 2 s long, 4.4 s are 10 % too long, 4.8 s 20 %
@pytest.mark.parametrize(
    ("speech_s", "status", "code"),
    [
        (1.0, "success", None),
        (3.0, "success", None),
        (4.38, "success", None),
        (4.5, "partial", "DURATION_MISMATCH"),
        (4.9, "failed", "DURATION_MISMATCH_EXCEEDED"),
    ],
)
async def test_speech_that_is_too_long_is_said_to_be(
    stages: Stages, speech_s: float, status: str, code: str | None
) -> None:
    stages.speech_s = speech_s
    done = await dub(stages)
    assert done.status == status
    assert (done.error.code if done.error else None) == code
    assert bool(done.audio) is (status != "failed")
    assert done.translated_text == "hola mundo"
    if status == "partial":
        assert done.warnings == ("duration_variance_high",)
        assert 10 < facts_of(done).actual_variance_percent <= 20
        assert done.assets[-1]["status"] == "PARTIAL"
    if status == "failed":
        assert done.error is not None
        assert (done.error.stage, done.error.retryable) == ("tts", False)
    assert facts_of(done).dubbed_duration_ms >= 2_000
    assert models_of(done) == ("ear-base", "tongue-1", "mouth-v2")


async def test_a_long_text_is_spoken_quicker_by_the_voice_itself(stages: Stages) -> None:
    stages.translated = "una frase que es mucho más larga que lo que cabe en dos segundos de sonido"
    await dub(stages)
    assert 1.0 < stages.asked["tts"]["speed"] <= fit_limits().voice_fastest


FAILURES: list[tuple[str, AntiphonError, str, bool]] = [
    ("asr", ProviderTimeout("m"), "TIMEOUT", True),
    ("asr", ProviderUnavailable("m"), "MODEL_ERROR", True),
    ("asr", ProviderBusy("m"), "MODEL_ERROR", True),
    ("asr", Permanent("m"), "ASR_FAILED", False),
    ("translation", ProviderTimeout("m"), "TIMEOUT", True),
    ("translation", ProviderUnavailable("m"), "TRANSLATION_API_UNAVAILABLE", True),
    ("translation", ProviderRejected("m"), "TRANSLATION_API_UNAVAILABLE", False),
    ("translation", ProviderRejected("m", code="quota_exceeded"), "TRANSLATION_API_UNAVAILABLE", False),
    ("translation", ProviderRejected("m", code="translation_failed"), "TRANSLATION_FAILED", False),
    ("translation", Unsupported("m"), "UNSUPPORTED_LANGUAGE", False),
    ("translation", Permanent("m"), "TRANSLATION_FAILED", False),
    ("tts", ProviderTimeout("m"), "TIMEOUT", True),
    ("tts", ProviderUnavailable("m"), "MODEL_ERROR", True),
    ("tts", Unsupported("m"), "UNSUPPORTED_LANGUAGE", False),
    ("tts", Permanent("m"), "TTS_SYNTHESIS_FAILED", False),
]


@pytest.mark.parametrize(("stage", "raised", "code", "retryable"), FAILURES, ids=lambda one: str(one))
async def test_a_stage_that_fails_ends_the_way(
    stages: Stages, stage: str, raised: AntiphonError, code: str, retryable: bool
) -> None:
    stages.errors = {stage: raised}
    done = await dub(stages)
    assert (done.status, done.audio) == ("failed", b"")
    assert done.error is not None
    assert (done.error.stage, done.error.code, done.error.retryable) == (stage, code, retryable)
    assert done.metadata is None, "lengths that nobody knows are not made up"
    assert (done.transcript is not None) is (stage != "asr"), "what was understood so far is told"
    assert (done.translated_text is not None) is (stage == "tts")
    assert done.assets[-1]["status"] == "FAILED"
    assert len(done.assets) == ["asr", "translation", "tts"].index(stage) + 1


async def test_a_service_that_is_asked_too_often_says_for_how_long(stages: Stages) -> None:
    stages.errors = {"translation": RateLimited("slowly", retry_after_s=7.0)}
    error = (await dub(stages)).error
    assert error is not None
    assert (error.code, error.retryable, error.details) == ("RATE_LIMIT_EXCEEDED", True, {"retry_after_seconds": 7.0})


@pytest.mark.parametrize("audio", [b"", b"\x00", b"RIFF\x00\x00\x00\x00WAVEjunk"])
async def test_what_cannot_be_decoded_fails_at_the_first_stage(stages: Stages, audio: bytes) -> None:
    done = await dub(stages, replace(WORK, audio=audio))
    assert done.error is not None
    assert (done.error.stage, done.error.code, done.error.retryable) == ("asr", "INVALID_AUDIO_FORMAT", False)
    assert not stages.asked


@pytest.mark.parametrize("stage", ["asr", "translation", "tts"])
async def test_each_stage_has_its_time_and_all_of_them_theirs(stages: Stages, stage: str) -> None:
    stages.takes_s = {stage: 2.0}
    rules = pipeline_rules(asr_s=1.0, translation_s=1.0, tts_s=1.0)
    for chosen, within_s in ((rules, 8.0), (pipeline_rules(), 1.0)):
        error = (await dub(stages, rules=chosen, within_s=within_s)).error
        assert error is not None
        assert (error.stage, error.code, error.retryable) == (stage, "TIMEOUT", True)


async def test_a_fragment_whose_time_is_over_is_not_begun(stages: Stages) -> None:
    error = (await dub(stages, within_s=0.0)).error
    assert error is not None
    assert error.code == "TIMEOUT"
    assert not stages.asked
