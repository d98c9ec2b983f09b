"""What every `SpeechToText` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from antiphon.entities.speech import Pcm
from antiphon.errors import ProviderTimeout
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.text.wer import word_errors
from tests.conformance.recognisers import BUSY, RECOGNISERS, TOO_SLOW, Recogniser, transcribed, what_joy

NAMES = [
    pytest.param(name, marks=pytest.mark.engines(one.weights) if one.weights else ())
    for name, one in RECOGNISERS.items()
]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def adapter(name: str) -> Recogniser:
    return RECOGNISERS[name]


@pytest.fixture
async def engine(adapter: Recogniser) -> AsyncIterator[SpeechToText]:
    async with adapter.open() as engine:
        yield engine


async def test_the_segments_come_first_and_the_transcript_holds_them_all(
    engine: SpeechToText, adapter: Recogniser
) -> None:
    audio = what_joy()
    segments, transcript = await transcribed(engine, audio)
    assert tuple(segments) == transcript.segments
    assert word_errors(adapter.text, transcript.text).errors == 0
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
async def test_silence_has_an_empty_transcript_and_no_segments(engine: SpeechToText, audio: Pcm) -> None:
    segments, transcript = await transcribed(engine, audio)
    assert segments == []
    assert transcript.text == ""
    assert transcript.segments == ()
    assert transcript.duration_s == audio.duration_s


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100])
async def test_audio_of_any_rate_is_heard(engine: SpeechToText, adapter: Recogniser, rate_hz: int) -> None:
    _, transcript = await transcribed(engine, what_joy(rate_hz))
    assert word_errors(adapter.text, transcript.text).rate <= 0.2


async def test_half_a_sample_at_the_end_does_no_harm(engine: SpeechToText, adapter: Recogniser) -> None:
    audio = what_joy()
    _, transcript = await transcribed(engine, Pcm(audio.data + b"\x7f", audio.rate_hz))
    assert word_errors(adapter.text, transcript.text).errors == 0


async def test_words_have_times_in_order_inside_the_clip(engine: SpeechToText, adapter: Recogniser) -> None:
    audio = what_joy()
    _, transcript = await transcribed(engine, audio, TranscribeOptions(language="en", word_timestamps=True))
    words = [word for segment in transcript.segments for word in segment.words]
    assert word_errors(adapter.text, " ".join(word.text for word in words)).errors == 0
    times = [at for word in words for at in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= audio.duration_s + 0.01


async def test_words_are_not_timed_unasked(engine: SpeechToText) -> None:
    _, transcript = await transcribed(engine, what_joy())
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
async def test_odd_wishes_still_get_a_transcript(engine: SpeechToText, options: TranscribeOptions) -> None:
    segments, transcript = await transcribed(engine, what_joy(), options)
    assert tuple(segments) == transcript.segments


@pytest.mark.parametrize("seconds", [0.01, 0.2, 1.5])
async def test_loud_garbage_ends_in_a_transcript(engine: SpeechToText, seconds: float) -> None:
    samples = np.random.default_rng(7).integers(-32_768, 32_767, int(16_000 * seconds))
    _, transcript = await transcribed(engine, Pcm(samples.astype("<i2").tobytes(), 16_000))
    assert transcript.duration_s == pytest.approx(seconds)


async def test_clips_at_the_same_time_do_not_mix(engine: SpeechToText, adapter: Recogniser) -> None:
    speech = what_joy()
    clips = [speech, Pcm(bytes(32_000), 16_000), Pcm(speech.data + bytes(16_000), 16_000), Pcm(b"", 16_000), speech]
    results = await asyncio.gather(*(transcribed(engine, clip) for clip in clips))
    for clip, (_, transcript) in zip(clips, results, strict=True):
        expected = adapter.text if len(clip.data) >= len(speech.data) else ""
        assert word_errors(expected, transcript.text).errors == 0
        assert transcript.duration_s == clip.duration_s


async def test_a_caller_who_goes_away_is_let_go_at_once_and_the_engine_works_on(name: str, adapter: Recogniser) -> None:
    async with BUSY[name]() as engine:
        task = asyncio.create_task(transcribed(engine, what_joy()))
        await asyncio.sleep(0.02)  # somewhere in the call
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)  # the busy ones would take longer
    async with adapter.open() as engine:
        _, transcript = await transcribed(engine, what_joy())
    assert word_errors(adapter.text, transcript.text).errors == 0


async def test_an_iterator_that_is_closed_yields_nothing_more(engine: SpeechToText) -> None:
    stream = engine.transcribe(what_joy(), TranscribeOptions(language="en"))
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_the_deadline_is_an_error_of_ours(name: str) -> None:
    async with TOO_SLOW[name]() as engine:
        with pytest.raises(ProviderTimeout):
            await asyncio.wait_for(transcribed(engine, what_joy()), 30)


async def test_it_says_what_it_is_and_closes_twice(name: str) -> None:
    async with TOO_SLOW[name]() as engine:
        assert engine.capabilities.name == name
        await engine.close()
        await engine.close()
