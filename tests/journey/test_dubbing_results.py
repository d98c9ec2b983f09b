"""What becomes of fragments: silence, sounds, lengths that do not match, stages that fail or take too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from antiphon.audio.fragments import encode_fragment
from antiphon.errors import (
    InvalidRequest,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    Unsupported,
)
from tests.dubbing import DURATION_MS, RATE_HZ, SILENCE, TONE, Worker, audio_of, dubbing, sound, tone, worker
from tests.fakes.engines import ScriptedTranslation, ScriptedTts
from tests.fragments import decode_fragment

GAP_MS = 250


async def dubbed(url: str, config: dict[str, Any] | None = None, **audio: Any) -> dict[str, Any]:
    """What comes of one fragment in a stream of its own."""
    async with worker(url) as one:
        await one.begin(config)
        await one.offer(0, audio=sound(**audio))
        return await one.result()


def loudest(result: dict[str, Any]) -> int:
    """The loudest sample of a result."""
    audio = result["dubbed_audio"]
    decoded = decode_fragment(audio_of(result), audio["format"], audio["sample_rate_hz"], audio["channels"])
    return int(np.abs(np.frombuffer(decoded.mono.data, "<i2").astype(int)).max())


def assert_nothing_was_said(result: dict[str, Any]) -> None:
    assert (result["status"], result["transcript"], result["translated_text"]) == ("success", "", "")
    metadata = result["metadata"]
    assert (metadata["duration_variance_percent"], metadata["speed_ratio"]) == (0, 1)
    assert result["stage_timings"]["translation_ms"] == 0


# -- nothing said ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fmt", ["pcm_s16le", "m4a", "pcm_f32le"])
async def test_silence_is_answered_with_silence_of_the_same_length(tmp_path: Path, fmt: str) -> None:
    async with dubbing(tmp_path) as door:
        result = await dubbed(door.url, {"format": fmt}, data=SILENCE)
    assert_nothing_was_said(result)
    assert result["dubbed_audio"]["format"] == fmt
    assert result["dubbed_audio"]["duration_ms"] == pytest.approx(DURATION_MS, abs=64)
    assert loudest(result) <= 1


@pytest.mark.parametrize("heard", ["[Music]", "♪ la la la ♪", "(applause)"])
async def test_music_is_answered_like_silence(tmp_path: Path, heard: str) -> None:
    async with dubbing(tmp_path, stub_text=heard) as door:
        result = await dubbed(door.url)
    assert_nothing_was_said(result)
    assert loudest(result) == 0


async def test_where_it_is_wished_the_original_is_played_when_nothing_is_said(tmp_path: Path) -> None:
    file = encode_fragment(TONE, RATE_HZ, "m4a", RATE_HZ, 1).data
    async with dubbing(tmp_path, stub_text="[Music]", dubbing_fallback="original") as door:
        same = await dubbed(door.url)
        other = await dubbed(door.url, {"format": "pcm_s16le"}, data=file, format="m4a")
        whole = await dubbed(door.url, {"format": "m4a"}, data=file, format="m4a")
    for result in (same, other, whole):
        assert_nothing_was_said(result)
        assert result["dubbed_audio"]["duration_ms"] == pytest.approx(DURATION_MS, abs=64)
        assert loudest(result) > 4_000
    assert audio_of(same) == TONE
    assert audio_of(whole) == file


# -- lengths ---------------------------------------------------------------------------------------------------------
LENGTHS = {"stub_tts_ms_per_word": 747}
"""Two words take 1494 ms; said 1.3 times as quick and played twice as quick they take 575 ms."""


async def of_lengths(one: Worker, *lengths_ms: int) -> list[dict[str, Any]]:
    """What comes of fragments of these lengths; behind one that is far too short the voice is known to be slow."""
    results: list[dict[str, Any]] = []
    for number, ms in enumerate((300, *lengths_ms)):
        await one.offer(number, audio=sound(tone(ms), duration_ms=ms))
        results.append(await one.result())
    return results


async def test_the_length_decides_between_success_partial_and_failure(tmp_path: Path) -> None:
    async with dubbing(tmp_path, **LENGTHS) as door, worker(door.url) as one:
        await one.begin()
        failed, partial, success = await of_lengths(one, 500, 560)
        complete = await one.end()
    assert (success["status"], success["metadata"]["speed_ratio"]) == ("success", 2)
    assert 0 < success["metadata"]["duration_variance_percent"] <= 10
    assert "warnings" not in success

    assert (partial["status"], partial["error"]["code"]) == ("partial", "DURATION_MISMATCH")
    assert (partial["error"]["stage"], partial["error"]["retryable"]) == ("tts", False)
    assert partial["warnings"] == ["duration_variance_high"]
    assert 10 < partial["metadata"]["actual_variance_percent"] <= 20
    variance = (partial["dubbed_audio"]["duration_ms"] - 500) / 500 * 100
    assert partial["metadata"]["duration_variance_percent"] == pytest.approx(variance, abs=0.2)

    assert (failed["status"], failed["error"]["code"]) == ("failed", "DURATION_MISMATCH_EXCEEDED")
    assert (failed["error"]["stage"], failed["error"]["retryable"]) == ("tts", False)
    assert (failed["transcript"], failed["translated_text"]) == ("hello", "[es] hello")

    assert [complete[f"{status}_count"] for status in ("success", "partial", "failed")] == [1, 1, 1]
    assert complete["total_duration_ms"] == 300 + 500 + 560
    assert complete["error_breakdown"] == {"by_stage": {"tts": 1}, "by_code": {"DURATION_MISMATCH_EXCEEDED": 1}}


async def test_a_declared_length_that_is_wrong_gives_way_to_that_of_the_audio(tmp_path: Path) -> None:
    async with dubbing(tmp_path) as door:
        result = await dubbed(door.url, duration_ms=6000)
    assert result["dubbed_audio"]["duration_ms"] == result["metadata"]["original_duration_ms"] == DURATION_MS


# -- stages that fail --------------------------------------------------------------------------------------------------
TRANSLATION = [
    (ProviderUnavailable("away"), "TRANSLATION_API_UNAVAILABLE", True),
    (RateLimited("slower", retry_after_s=7.0), "RATE_LIMIT_EXCEEDED", True),
    (ProviderRejected("this key is not known"), "TRANSLATION_API_UNAVAILABLE", False),
    (Unsupported("no such pair"), "UNSUPPORTED_LANGUAGE", False),
    (InvalidRequest("nonsense"), "TRANSLATION_FAILED", False),
]


async def test_a_translation_that_fails_names_its_stage_and_whether_it_may_be_tried_again(tmp_path: Path) -> None:
    engine = ScriptedTranslation(*([error] for error, _, _ in TRANSLATION), ["hola"])
    async with dubbing(tmp_path, {"translation": engine}) as door, worker(door.url) as one:
        await one.begin()
        for number, (_, code, retryable) in enumerate(TRANSLATION):
            await one.offer(number)
            result = await one.result()
            error = result["error"]
            assert (result["status"], error["stage"], error["code"], error["retryable"]) == (
                "failed", "translation", code, retryable,
            )  # fmt: skip
            assert result["transcript"] == "hello", "as far as it came"
            assert "translated_text" not in result
            assert result["stage_timings"]["tts_ms"] == 0
            if code == "RATE_LIMIT_EXCEEDED":
                assert error["details"] == {"retry_after_seconds": 7.0}
        await one.offer(len(TRANSLATION))
        assert (await one.result())["translated_text"] == "hola"


async def test_a_quota_that_is_used_up_is_no_fault_of_the_text(tmp_path: Path) -> None:
    engine = ScriptedTranslation([ProviderRejected("used up", code="quota_exceeded")])
    async with dubbing(tmp_path, {"translation": engine}) as door:
        error = (await dubbed(door.url))["error"]
    assert (error["code"], error["retryable"]) == ("TRANSLATION_API_UNAVAILABLE", False)


async def test_a_voice_that_fails_leaves_the_texts_and_no_audio(tmp_path: Path) -> None:
    engine = ScriptedTts([ProviderUnavailable("away")], [InvalidRequest("unspeakable")])
    async with dubbing(tmp_path, {"tts": engine}) as door, worker(door.url) as one:
        await one.begin()
        for number, (code, retryable) in enumerate([("MODEL_ERROR", True), ("TTS_SYNTHESIS_FAILED", False)]):
            await one.offer(number)
            result = await one.result()
            error = result["error"]
            assert (error["stage"], error["code"], error["retryable"]) == ("tts", code, retryable)
            assert (result["transcript"], result["translated_text"]) == ("hello", "[es] hello")


# -- time ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        ("asr", {"stub_stt_ms": 5_000, "dubbing_asr_timeout_ms": 100}),
        ("translation", {"dubbing_translation_timeout_ms": 100}),
        ("tts", {"stub_tts_ms": 5_000, "dubbing_tts_timeout_ms": 100}),
    ],
)
async def test_a_stage_that_takes_too_long_is_named(tmp_path: Path, stage: str, settings: dict[str, Any]) -> None:
    engines = {"translation": ScriptedTranslation([asyncio.Event()])} if stage == "translation" else {}
    async with dubbing(tmp_path, engines, **settings) as door:
        result = await dubbed(door.url)
    error = result["error"]
    assert (result["status"], error["stage"], error["code"], error["retryable"]) == ("failed", stage, "TIMEOUT", True)
    assert result["processing_time_ms"] >= 100
    assert 90 <= result["stage_timings"][f"{stage}_ms"] <= result["processing_time_ms"]
    assert ("transcript" in result, "translated_text" in result) == (stage != "asr", stage == "tts")


async def test_the_time_of_a_fragment_ends_the_stage_that_it_is_in(tmp_path: Path) -> None:
    async with dubbing(tmp_path) as door, worker(door.url) as one:
        await one.begin(timeout_ms=1000)
        with door.stt.held():
            begin = time.monotonic()
            await one.offer(0)
            result = await one.result()
            assert time.monotonic() - begin >= 1
    error = result["error"]
    assert (error["stage"], error["code"], error["retryable"]) == ("asr", "TIMEOUT", True)


async def test_a_failure_that_may_be_retried_is_done_anew_and_counted_once(tmp_path: Path) -> None:
    async with dubbing(tmp_path, dubbing_asr_timeout_ms=1_000) as door, worker(door.url) as one:
        await one.begin()
        with door.stt.held():
            await one.offer(0)
            failed = await one.result(one.name(0))
        assert (failed["status"], failed["error"]["retryable"]) == ("failed", True)
        await one.offer(1)
        await one.result(one.name(1))
        await one.offer(0)
        assert (await one.only("fragment:ack"))["status"] == "queued"
        again = await one.result(one.name(0))
        assert (again["status"], again["sequence_number"]) == ("success", 0)
        complete = await one.end()
    assert (complete["total_fragments"], complete["success_count"], complete["failed_count"]) == (2, 2, 0)
    assert complete["error_breakdown"] == {"by_stage": {}, "by_code": {}}


# -- gaps ------------------------------------------------------------------------------------------------------------
@pytest.fixture
async def gapped(tmp_path: Path) -> AsyncIterator[Worker]:
    """A stream with a gap timeout of a quarter of a second."""
    async with dubbing(tmp_path, dubbing_gap_timeout_ms=GAP_MS) as door, worker(door.url) as one:
        await one.begin()
        yield one


async def test_a_stream_that_begins_with_one_is_delivered_after_the_gap_timeout(gapped: Worker) -> None:
    begin = time.monotonic()
    for number in (3, 1, 2):
        await gapped.offer(number)
    error = await gapped.next("error")
    assert time.monotonic() - begin >= GAP_MS / 1000
    assert (error["code"], error["retryable"], error["severity"]) == ("INVALID_SEQUENCE", False, "error")
    assert error["details"] == {"expected": 0, "received": 1}
    assert [(await gapped.result())["sequence_number"] for _ in range(3)] == [1, 2, 3]
    assert len(gapped.of("error")) == 1, "no wait but one"


async def test_what_comes_behind_the_hole_is_refused_and_not_worked_on(gapped: Worker) -> None:
    for number in (0, 2):
        await gapped.offer(number)
    await gapped.result(gapped.name(0))
    assert (await gapped.next("error"))["details"] == {"expected": 1, "received": 2}
    await gapped.result(gapped.name(2))
    await gapped.offer(1)
    error = await gapped.error("INVALID_SEQUENCE")
    assert (error["fragment_id"], error["details"]) == (gapped.name(1), {"expected": 3, "received": 1})
    await gapped.silent()
    assert (await gapped.end())["total_fragments"] == 2


async def test_a_hole_that_is_filled_in_time_is_none(gapped: Worker) -> None:
    for number in (0, 2, 1):
        await gapped.offer(number)
    assert [(await gapped.result())["sequence_number"] for _ in range(3)] == [0, 1, 2]
    await gapped.offer(5)
    error = await gapped.next("error")
    assert error["details"] == {"expected": 3, "received": 5}, "one word for all that is missing"
    await gapped.result(gapped.name(5))
    assert len(gapped.of("error")) == 1
