"""The speak worker: speech in pieces of a size, at the rate that was asked for, with its text in front."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from antiphon.audio.resample import resample
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import ProviderRejected
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.stub.tts import StubTts
from antiphon.wire.entries import (
    AudioReady,
    JobFailed,
    PipeEntry,
    SentenceReady,
    SentencesDone,
    SentenceSpoken,
    SpeechDone,
)
from antiphon.wire.jobs import Speak
from antiphon.workers.speak import Speaker
from tests.fakes.engines import ScriptedTts
from tests.working import working

TONE = (np.sin(np.arange(48_000) * 0.05) * 9_000).astype("<i2").tobytes()


class English(ScriptedTts):
    """Speaks no other language."""

    capabilities = Capabilities("english", languages=("en",))


def chunk(seconds: float, text: str = "", *, rate_hz: int = 24_000, start_s: float = 0.0) -> SpeechChunk:
    """A piece of the tone."""
    start, end = (int(at * rate_hz) * 2 for at in (start_s, start_s + seconds))
    return SpeechChunk(Pcm(TONE[start:end], rate_hz), text)


def audio(entries: Sequence[PipeEntry]) -> list[AudioReady]:
    """All but the last entry, which is the end."""
    assert isinstance(entries[-1], SpeechDone)
    assert all(isinstance(entry, AudioReady) for entry in entries[:-1])
    return [entry for entry in entries if isinstance(entry, AudioReady)]


def joined(entries: Sequence[PipeEntry]) -> bytes:
    return b"".join(entry.audio for entry in audio(entries))


# -- pieces ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("piece_ms", [20, 200, 1000])
async def test_speech_leaves_in_pieces_of_the_size_that_was_set(piece_ms: int) -> None:
    engine = ScriptedTts([chunk(0.5, "One."), chunk(0.53, "Two.", start_s=0.5)])
    async with working("speak", Speaker(engine, piece_ms).handle) as bench:
        found = await bench.do(Speak("One. Two."))
    sizes = [len(entry.audio) for entry in audio(found)]
    whole = 24 * piece_ms * 2
    assert max(sizes) == min(whole, int(0.53 * 24_000) * 2)
    assert sum(size < whole for size in sizes) <= 2  # the last ones of the two chunks
    assert joined(found) == chunk(1.03).pcm.data


async def test_the_text_of_a_sentence_stands_on_its_first_piece_alone() -> None:
    engine = ScriptedTts([chunk(0.5, "One."), chunk(0.5), chunk(0.1, "Two.")])
    async with working("speak", Speaker(engine, 200).handle) as bench:
        found = audio(await bench.do(Speak("One. Two.")))
    assert [entry.text for entry in found] == ["One.", "", "", "", "", "", "Two."]


async def test_the_first_piece_does_not_wait_for_the_rest() -> None:
    more = asyncio.Event()
    engine = ScriptedTts([chunk(0.3, "One."), more, chunk(0.1)])
    async with working("speak", Speaker(engine, 200).handle) as bench:
        job = await bench.submit(Speak("One."))
        first, second = await job.next(), await job.next()
        assert isinstance(first, AudioReady)
        assert isinstance(second, AudioReady)
        assert (first.text, len(first.audio), len(second.audio)) == ("One.", 9600, 4800)
        more.set()
        await job.rest()


# -- rates -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
async def test_speech_has_the_rate_that_was_asked_for_tail_included(rate_hz: int) -> None:
    engine = ScriptedTts([chunk(0.5, "One."), chunk(0.5, "Two.", start_s=0.5)])
    async with working("speak", Speaker(engine, 200).handle) as bench:
        found = await bench.do(Speak("One. Two.", rate_hz=rate_hz))
    assert joined(found) == resample(chunk(1.0).pcm.data, 24_000, rate_hz)
    assert len(joined(found)) == rate_hz * 2
    assert max(len(entry.audio) for entry in audio(found)) <= rate_hz // 5 * 2
    assert [entry.text for entry in audio(found) if entry.text] == ["One.", "Two."]


async def test_a_text_whose_first_sound_is_still_in_the_resampler_is_told_already() -> None:
    engine = ScriptedTts([chunk(0.01, "One."), chunk(0.5, start_s=0.01)])
    async with working("speak", Speaker(engine, 200).handle) as bench:
        found = audio(await bench.do(Speak("One.", rate_hz=8_000)))
    assert found[0] == AudioReady("job_1", b"", "One.")
    assert b"".join(entry.audio for entry in found) == resample(chunk(0.51).pcm.data, 24_000, 8_000)


async def test_an_engine_that_changes_its_rate_loses_nothing_between() -> None:
    second = chunk(0.5, "Two.", rate_hz=22_050)
    engine = ScriptedTts([chunk(0.5, "One.", rate_hz=16_000), second])
    async with working("speak", Speaker(engine, 200).handle) as bench:
        found = await bench.do(Speak("One. Two."))
    first = resample(chunk(0.5, rate_hz=16_000).pcm.data, 16_000, 24_000)
    assert joined(found) == first + resample(second.pcm.data, 22_050, 24_000)


# -- texts -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", " \n", "😀 🎉"])
async def test_what_cannot_be_spoken_is_no_speech_and_no_error(text: str) -> None:
    async with working("speak", Speaker(StubTts()).handle) as bench:
        assert await bench.do(Speak(text)) == [SpeechDone("job_1", "stub", "stub-tts")]


async def test_the_stub_speaks_a_whole_text() -> None:
    async with working("speak", Speaker(StubTts(word_s=0.1)).handle) as bench:
        found = await bench.do(Speak("It is noon. The sun is high.", rate_hz=24_000))
    assert len(joined(found)) == 7 * 4_800
    assert [entry.text for entry in audio(found) if entry.text] == ["It is noon.", "The sun is high."]


async def test_the_engine_hears_every_wish() -> None:
    engine = ScriptedTts([])
    async with working("speak", Speaker(engine).handle) as bench:
        await bench.do(Speak("hi", voice="alto", speed=1.5, language="de", instructions="whisper", model="tts-1"))
    assert engine.asked == [("hi", SpeakOptions("alto", 1.5, "de", "whisper", "tts-1"))]


async def test_each_passage_is_asked_for_in_its_own_language() -> None:
    engine = ScriptedTts([chunk(0.1, "One.")])
    async with working("speak", Speaker(engine).handle) as bench:
        await bench.do(Speak("Hello. Привет. こんにちは。", voice="alto"))
    assert engine.asked == [
        ("Hello.", SpeakOptions("alto")),
        ("Привет.", SpeakOptions("alto", language="ru")),
        ("こんにちは。", SpeakOptions("alto", language="ja")),
    ]


async def test_a_text_that_no_voice_speaks_is_refused_before_anything_is_said() -> None:
    engine = English([chunk(0.1, "Hello.")])
    async with working("speak", Speaker(engine).handle) as bench:
        (failed,) = await bench.do(Speak("Hello. Привет."))
    assert isinstance(failed, JobFailed)
    assert (failed.param, failed.code) == ("input", "language_not_supported")
    assert engine.asked == []


# -- sentences through a pipe ------------------------------------------------------------------------------------------
async def test_a_sentence_is_spoken_before_the_next_one_is_known() -> None:
    engine = ScriptedTts([chunk(0.1, "One.")], [chunk(0.1, "Two.")])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak(), source="sentences")
        for text in ("One.", "Two."):
            await bench.bus.write("sentences", [SentenceReady("job_9", text)])
            spoken = await job.next()
            assert isinstance(spoken, AudioReady)
            assert spoken.text == text
            assert await job.next() == SentenceSpoken("job_1")
        await bench.bus.write("sentences", [SentencesDone("job_9")])
        assert await job.rest() == [SpeechDone("job_1", "scripted", "scripted")]
    assert [asked[0] for asked in engine.asked] == ["One.", "Two."]


async def test_one_resampler_joins_the_sentences_of_an_answer() -> None:
    engine = ScriptedTts([chunk(0.5, "One.")], [chunk(0.5, "Two.", start_s=0.5)])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak(rate_hz=8_000), source="sentences")
        sentences = [SentenceReady("job_9", "One."), SentenceReady("job_9", "Two."), SentencesDone("job_9")]
        await bench.bus.write("sentences", sentences)
        found = [entry for entry in await job.rest() if not isinstance(entry, SentenceSpoken)]
        assert joined(found) == resample(chunk(1.0).pcm.data, 24_000, 8_000)


async def test_a_sentence_that_no_voice_speaks_is_passed_over_and_the_next_one_spoken() -> None:
    engine = English([chunk(0.1, "Hello.")])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak(), source="sentences")
        for text in ("Привет.", "Hello."):
            await bench.bus.write("sentences", [SentenceReady("job_9", text)])
        await bench.bus.write("sentences", [SentencesDone("job_9")])
        kinds = [type(entry) for entry in await job.rest()]
    assert kinds == [SentenceSpoken, AudioReady, SentenceSpoken, SpeechDone]
    assert [asked[0] for asked in engine.asked] == ["Hello."]


async def test_a_pipe_that_is_dropped_ends_the_speech() -> None:
    engine = ScriptedTts([chunk(0.1, "One.")])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak(), source="sentences")
        await bench.bus.write("sentences", [SentenceReady("job_9", "One.")])
        await job.next()
        assert await job.next() == SentenceSpoken("job_1")
        await bench.bus.drop("sentences")
        assert await job.rest() == [SpeechDone("job_1", "scripted", "scripted")]


async def test_a_text_of_its_own_goes_before_any_pipe() -> None:
    engine = ScriptedTts([chunk(0.1, "One.")])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak("One."), source="sentences")
        assert len(await job.rest()) == 2


# -- failures ----------------------------------------------------------------------------------------------------------
async def test_a_voice_that_fails_in_the_middle_says_so_behind_what_was_spoken() -> None:
    engine = ScriptedTts([chunk(0.1, "One."), ProviderRejected("no such voice")])
    async with working("speak", Speaker(engine).handle) as bench:
        spoken, failed = await bench.do(Speak("One. Two."))
    assert isinstance(spoken, AudioReady)
    assert failed == JobFailed(
        "job_1", ProviderRejected.type, ProviderRejected("x").code, "no such voice", kind="ProviderRejected"
    )
    assert engine.left == 1


async def test_a_cancelled_speaker_leaves_its_engine_and_says_nothing_more() -> None:
    never = asyncio.Event()
    engine = ScriptedTts([chunk(0.1, "One."), never, chunk(0.1)])
    async with working("speak", Speaker(engine).handle) as bench:
        job = await bench.submit(Speak("One."))
        await job.next()
        await bench.bus.cancel(job.job.id)
        await job.settled()
        assert engine.left == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.next(), 0.05)
