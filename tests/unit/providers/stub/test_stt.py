"""The stub STT answers as its settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.errors import ProviderTimeout
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.stub.stt import create, spread_ms
from tests.virtual_time import on_virtual_time

LOUD = Pcm(b"\x00\x10" * 24_000, 24_000)


async def transcribed(
    audio: Pcm, options: TranscribeOptions | None = None, **settings: Any
) -> list[Segment | Transcript]:
    engine = create(EngineContext(Path(), settings=settings))
    return [event async for event in engine.transcribe(audio, options or TranscribeOptions())]


async def test_the_transcript_is_the_text_of_its_settings() -> None:
    segment, transcript = await transcribed(LOUD, stub_text="one two")
    assert segment == Segment("one two", 0.0, 1.0)
    assert transcript == Transcript("one two", "en", 1.0, (Segment("one two", 0.0, 1.0),))


@on_virtual_time
async def test_it_takes_the_time_of_its_settings(clock: VirtualClock) -> None:
    began = clock.now()
    await transcribed(LOUD, stub_stt_ms=50)
    assert clock.now() - began == pytest.approx(0.05)
    began = clock.now()
    await transcribed(LOUD, stub_stt_ms=50, stub_spread_ms=1_000)
    assert clock.now() - began == pytest.approx(0.05 + spread_ms(LOUD.data, 1_000) / 1000)


def test_the_spread_depends_on_the_audio_alone_and_stays_in_its_bound() -> None:
    spread = [spread_ms(bytes([number]) * 100, 50) for number in range(100)]
    assert spread == [spread_ms(bytes([number]) * 100, 50) for number in range(100)]
    assert min(spread) >= 0
    assert max(spread) <= 50
    assert len(set(spread)) > 10
    assert spread_ms(LOUD.data, 0) == 0


@on_virtual_time
async def test_a_time_beyond_the_deadline_is_a_timeout(clock: VirtualClock) -> None:
    began = clock.now()
    with pytest.raises(ProviderTimeout):
        await transcribed(LOUD, stub_stt_ms=600_000)
    assert clock.now() - began == pytest.approx(30.0)


@pytest.mark.parametrize("audio", [Pcm(b"\x08\x00" * 24_000, 24_000), Pcm(b"", 24_000)])
async def test_what_is_too_quiet_has_no_text(audio: Pcm) -> None:
    [transcript] = await transcribed(audio, TranscribeOptions(language="fr"))
    assert transcript == Transcript("", "fr", audio.duration_s)


async def test_an_empty_text_is_no_segment() -> None:
    assert len(await transcribed(LOUD, stub_text="")) == 1


async def test_words_are_spread_over_the_clip() -> None:
    *_, transcript = await transcribed(LOUD, TranscribeOptions(word_timestamps=True), stub_text="one two")
    assert isinstance(transcript, Transcript)
    assert [(word.text, word.start_s, word.end_s) for word in transcript.segments[0].words] == [
        ("one", 0.0, 0.5),
        ("two", 0.5, 1.0),
    ]
