"""The stub recogniser does as it is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.stub.stt import create

LOUD = Pcm(b"\x00\x10" * 24_000, 24_000)


async def hear(audio: Pcm, options: TranscribeOptions | None = None, **settings: Any) -> list[Segment | Transcript]:
    engine = create(EngineContext(Path(), settings=settings))
    return [event async for event in engine.transcribe(audio, options or TranscribeOptions())]


async def test_it_hears_the_text_of_its_settings() -> None:
    segment, transcript = await hear(LOUD, stub_text="one two")
    assert segment == Segment("one two", 0.0, 1.0)
    assert transcript == Transcript("one two", "en", 1.0, (Segment("one two", 0.0, 1.0),))


async def test_it_takes_the_time_of_its_settings() -> None:
    started = time.perf_counter()
    await hear(LOUD, stub_stt_ms=50)
    assert time.perf_counter() - started > 0.045


@pytest.mark.parametrize("audio", [Pcm(b"\x08\x00" * 24_000, 24_000), Pcm(b"", 24_000)])
async def test_what_is_too_quiet_has_no_text(audio: Pcm) -> None:
    [transcript] = await hear(audio, TranscribeOptions(language="fr"))
    assert transcript == Transcript("", "fr", audio.duration_s)


async def test_an_empty_text_is_no_segment() -> None:
    assert len(await hear(LOUD, stub_text="")) == 1


async def test_words_are_spread_over_the_clip() -> None:
    *_, transcript = await hear(LOUD, TranscribeOptions(word_timestamps=True), stub_text="one two")
    assert isinstance(transcript, Transcript)
    assert [(word.text, word.start_s, word.end_s) for word in transcript.segments[0].words] == [
        ("one", 0.0, 0.5),
        ("two", 0.5, 1.0),
    ]
