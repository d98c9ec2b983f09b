"""The stub TTS: a tone as long as the words would take."""

from __future__ import annotations

from pathlib import Path

from antiphon.clock import VirtualClock
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.stub.tts import StubTts, create
from tests.virtual_time import on_virtual_time


async def test_every_word_takes_its_time() -> None:
    chunks = [chunk async for chunk in StubTts(word_s=0.25).synthesize("One two. Three.", SpeakOptions(speed=2.0))]
    assert [(chunk.text, chunk.pcm.duration_s) for chunk in chunks] == [("One two.", 0.25), ("Three.", 0.125)]


@on_virtual_time
async def test_the_first_sound_waits_and_the_rest_follows_at_once(clock: VirtualClock) -> None:
    stub = create(EngineContext(Path(), settings={"stub_tts_ms": 80, "stub_tts_ms_per_word": 10_000}))
    began = clock.now()
    times = [clock.now() - began async for _ in stub.synthesize("One. Two. Three.", SpeakOptions())]
    assert times == [0.08, 0.08, 0.08]


async def test_sound_of_the_same_length_is_made_once() -> None:
    stub = StubTts()
    first, second = [
        [chunk.pcm.data async for chunk in stub.synthesize("A sentence of six words here.", SpeakOptions())]
        for _ in range(2)
    ]
    assert first[0] is second[0]
    assert len(first[0]) == 6 * 7_200 * 2
