"""What every `SpeechToText` promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest

from antiphon.entities.speech import Pcm
from antiphon.errors import ProviderTimeout
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.text.wer import word_errors
from tests.conformance.ears import BUSY, EARS, TOO_SLOW, Ear, hear, what_joy

NAMES = [
    pytest.param(name, marks=pytest.mark.engines(ear.weights) if ear.weights else ()) for name, ear in EARS.items()
]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def adapter(name: str) -> Ear:
    return EARS[name]


@pytest.fixture
async def ear(adapter: Ear) -> AsyncIterator[SpeechToText]:
    async with adapter.open() as engine:
        yield engine


async def test_the_segments_come_first_and_the_transcript_holds_them_all(ear: SpeechToText, adapter: Ear) -> None:
    audio = what_joy()
    segments, transcript = await hear(ear, audio)
    assert tuple(segments) == transcript.segments
    assert word_errors(adapter.hears, transcript.text).errors == 0
    assert word_errors(" ".join(segment.text for segment in segments), transcript.text).errors == 0
    assert transcript.language == "en"
    assert transcript.duration_s == pytest.approx(audio.duration_s)
    assert all(0 <= segment.start_s <= segment.end_s <= audio.duration_s + 0.01 for segment in segments)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param(Pcm(b"", 16_000), id="empty"),
        pytest.param(Pcm(b"\x01", 24_000), id="half a sample"),
        pytest.param(Pcm(b"\x00\x00", 48_000), id="one sample"),
        pytest.param(Pcm(bytes(48_000), 24_000), id="a second of zeros"),
        pytest.param(Pcm(bytes(16_001), 8_000), id="an odd second of zeros"),
    ],
)
async def test_silence_has_an_empty_transcript_and_no_segments(ear: SpeechToText, audio: Pcm) -> None:
    segments, transcript = await hear(ear, audio)
    assert segments == []
    assert transcript.text == ""
    assert transcript.segments == ()
    assert transcript.duration_s == audio.duration_s


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100])
async def test_audio_of_any_rate_is_heard(ear: SpeechToText, adapter: Ear, rate_hz: int) -> None:
    _, transcript = await hear(ear, what_joy(rate_hz))
    assert word_errors(adapter.hears, transcript.text).rate <= 0.2


async def test_half_a_sample_at_the_end_does_no_harm(ear: SpeechToText, adapter: Ear) -> None:
    audio = what_joy()
    _, transcript = await hear(ear, Pcm(audio.data + b"\x7f", audio.rate_hz))
    assert word_errors(adapter.hears, transcript.text).errors == 0


async def test_words_have_times_in_order_inside_the_clip(ear: SpeechToText, adapter: Ear) -> None:
    audio = what_joy()
    _, transcript = await hear(ear, audio, TranscribeOptions(language="en", word_timestamps=True))
    words = [word for segment in transcript.segments for word in segment.words]
    assert word_errors(adapter.hears, " ".join(word.text for word in words)).errors == 0
    times = [at for word in words for at in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= audio.duration_s + 0.01


async def test_words_are_not_timed_unasked(ear: SpeechToText) -> None:
    _, transcript = await hear(ear, what_joy())
    assert all(segment.words == () for segment in transcript.segments)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(TranscribeOptions(language="xx"), id="unknown language"),
        pytest.param(TranscribeOptions(language="en-GB"), id="language with a region"),
        pytest.param(TranscribeOptions(language="en", prompt="word " * 3_000), id="endless prompt"),
        pytest.param(TranscribeOptions(language="en", prompt="\x00\ud7ff <|endoftext|>"), id="odd prompt"),
        pytest.param(TranscribeOptions(language="en", model="no-such-model"), id="unknown model"),
        pytest.param(TranscribeOptions(language="en", temperature=1.0), id="hot"),
    ],
)
async def test_odd_wishes_still_get_a_transcript(ear: SpeechToText, options: TranscribeOptions) -> None:
    segments, transcript = await hear(ear, what_joy(), options)
    assert tuple(segments) == transcript.segments


@pytest.mark.parametrize("seconds", [0.01, 0.2, 1.5])
async def test_loud_garbage_ends_in_a_transcript(ear: SpeechToText, seconds: float) -> None:
    samples = np.random.default_rng(7).integers(-32_768, 32_767, int(16_000 * seconds))
    _, transcript = await hear(ear, Pcm(samples.astype("<i2").tobytes(), 16_000))
    assert transcript.duration_s == pytest.approx(seconds)


async def test_clips_at_the_same_time_do_not_mix(ear: SpeechToText, adapter: Ear) -> None:
    speech = what_joy()
    clips = [speech, Pcm(bytes(32_000), 16_000), Pcm(speech.data + bytes(16_000), 16_000), Pcm(b"", 16_000), speech]
    results = await asyncio.gather(*(hear(ear, clip) for clip in clips))
    for clip, (_, transcript) in zip(clips, results, strict=True):
        expected = adapter.hears if len(clip.data) >= len(speech.data) else ""
        assert word_errors(expected, transcript.text).errors == 0
        assert transcript.duration_s == clip.duration_s


async def test_a_caller_who_goes_away_is_let_go_at_once_and_the_engine_works_on(name: str, adapter: Ear) -> None:
    async with BUSY[name]() as ear:
        events: list[object] = []

        async def listen() -> None:
            async with aclosing(ear.transcribe(what_joy(), TranscribeOptions(language="en"))) as stream:
                async for event in stream:
                    events.append(event)  # noqa: PERF401 - what came before the end counts

        task = asyncio.create_task(listen())
        await asyncio.sleep(0.02)
        before = list(events)
        task.cancel()
        left = time.perf_counter()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.perf_counter() - left < 3
        await asyncio.sleep(0.1)
        assert events == before
    async with adapter.open() as ear:
        _, transcript = await hear(ear, what_joy())
    assert word_errors(adapter.hears, transcript.text).errors == 0


async def test_an_iterator_that_is_closed_yields_nothing_more(ear: SpeechToText) -> None:
    stream = ear.transcribe(what_joy(), TranscribeOptions(language="en"))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_the_deadline_is_an_error_of_ours(name: str) -> None:
    async with TOO_SLOW[name]() as ear:
        started = time.perf_counter()
        with pytest.raises(ProviderTimeout):
            await hear(ear, what_joy())
        assert time.perf_counter() - started < 5


async def test_it_says_what_it_is_and_closes_twice(name: str) -> None:
    async with TOO_SLOW[name]() as ear:
        assert ear.capabilities.name == name
        await ear.close()
        await ear.close()
