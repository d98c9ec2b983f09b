"""The transcribe worker: segments as they are known, then the transcript."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from antiphon.entities.speech import Pcm, Segment, Transcript, Word
from antiphon.errors import AntiphonError, ProviderRejected, Unsupported
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.stub import stt as stub_stt
from antiphon.wire.entries import JobFailed, SegmentReady, TranscriptReady
from antiphon.wire.jobs import Speak, Transcribe
from antiphon.workers.transcribe import Transcriber
from tests.fakes.engines import ScriptedStt
from tests.serving import recording, silence
from tests.working import working

ONE = Segment("one", 0.0, 1.0, (Word("one", 0.0, 0.9, 0.8),), -0.2, 0.1)
TWO = Segment("two", 1.0, 2.0)
BOTH = Transcript("one two", "en", 2.0, (ONE, TWO))


async def test_a_segment_is_told_while_the_engine_still_listens() -> None:
    more = asyncio.Event()
    engine = ScriptedStt([ONE, more, TWO, BOTH])
    async with working("transcribe", Transcriber(engine).handle) as bench:
        job = await bench.submit(Transcribe(b"", 16_000))
        assert await job.next() == SegmentReady("job_1", ONE)
        more.set()
        assert await job.rest() == [
            SegmentReady("job_1", TWO),
            TranscriptReady("job_1", "one two", "en", 2.0, (ONE, TWO), "scripted", "scripted"),
        ]
    assert engine.left == 1


async def test_the_engine_hears_the_audio_and_every_wish() -> None:
    engine = ScriptedStt([BOTH])
    async with working("transcribe", Transcriber(engine).handle) as bench:
        await bench.do(
            Transcribe(
                b"abcd",
                8_000,
                language="de",
                prompt="names",
                model="whisper-1",
                translate=True,
                word_timestamps=True,
                temperature=0.5,
            )
        )
        await bench.do(Transcribe(b"", 24_000))
    wishes = TranscribeOptions("de", "names", "whisper-1", translate=True, word_timestamps=True, temperature=0.5)
    assert engine.asked == [(Pcm(b"abcd", 8_000), wishes), (Pcm(b"", 24_000), TranscribeOptions())]


@pytest.mark.parametrize(("audio", "text"), [
    (recording("spk1_snt4.wav", 16_000), "hello from the stub"),
    (silence(1, 16_000), ""),
    (b"", ""),
])  # fmt: skip
async def test_the_stub_hears_speech_and_no_words_in_silence(audio: bytes, text: str, tmp_path: object) -> None:
    engine = stub_stt.create(EngineContext(data_dir=tmp_path))
    async with working("transcribe", Transcriber(engine).handle) as bench:
        *segments, last = await bench.do(Transcribe(audio, 16_000))
    assert isinstance(last, TranscriptReady)
    assert (last.text, last.duration_s) == (text, len(audio) / 32_000)
    assert segments == ([SegmentReady("job_1", last.segments[0])] if text else [])


@pytest.mark.parametrize("error", [ProviderRejected("no such model"), Unsupported("cannot translate")])
async def test_an_engine_that_refuses_is_told_in_its_own_words(error: AntiphonError) -> None:
    engine = ScriptedStt([ONE, error])
    async with working("transcribe", Transcriber(engine).handle) as bench:
        first, failed = await bench.do(Transcribe(b"", 16_000))
    assert first == SegmentReady("job_1", ONE)
    assert failed == JobFailed("job_1", error.type, error.code, error.message, kind=type(error).__name__)
    assert engine.left == 1


async def test_a_cancelled_job_leaves_its_engine_at_once() -> None:
    never = asyncio.Event()
    engine = ScriptedStt([ONE, never], [BOTH])
    async with working("transcribe", Transcriber(engine).handle) as bench:
        job = await bench.submit(Transcribe(b"", 16_000))
        await job.next()
        await bench.bus.cancel(job.job.id)
        await job.settled()
        assert engine.left == 1
        assert isinstance((await bench.do(Transcribe(b"", 16_000)))[-1], TranscriptReady)


async def test_a_long_recording_is_heard_in_pieces_and_told_as_one() -> None:
    nothing = Transcript("", "", 0.0)
    engine = ScriptedStt([ONE, TWO, BOTH], [replace(nothing, duration_s=9.0)], [ONE, replace(BOTH, segments=(ONE,))])
    rate_hz = 1_000
    async with working("transcribe", Transcriber(engine).handle) as bench:
        *told, last = await bench.do(Transcribe(bytes(2 * 750 * rate_hz), rate_hz))
    sizes = [len(audio.data) // 2 for audio, _ in engine.asked]
    assert len(sizes) == 3
    assert sum(sizes) == 750 * rate_hz
    assert max(sizes) <= 300 * rate_hz
    by_s = (sizes[0] + sizes[1]) / rate_hz
    moved = replace(ONE, start_s=by_s, end_s=1.0 + by_s, words=(Word("one", by_s, 0.9 + by_s, 0.8),))
    assert told == [SegmentReady("job_1", segment) for segment in (ONE, TWO, moved)]
    assert last == TranscriptReady("job_1", "one two one two", "en", 13.0, (ONE, TWO, moved), "scripted", "scripted")


async def test_work_in_the_wrong_queue_is_refused() -> None:
    async with working("transcribe", Transcriber(ScriptedStt([])).handle) as bench:
        (failed,) = await bench.do(Speak("hello"))
    assert isinstance(failed, JobFailed)
    assert (failed.error_type, failed.code) == ("invalid_request_error", "wrong_queue")
    assert "Speak" in failed.message
