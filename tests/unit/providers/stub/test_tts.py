from __future__ import annotations

import time

from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.stub.tts import StubTts, create


async def test_every_word_takes_its_time() -> None:
    chunks = [chunk async for chunk in StubTts(word_s=0.25).synthesize("One two. Three.", SpeakOptions(speed=2.0))]
    assert [(chunk.text, chunk.pcm.duration_s) for chunk in chunks] == [("One two.", 0.25), ("Three.", 0.125)]


async def test_the_first_sound_waits_and_the_rest_follows_at_once(tmp_path) -> None:
    stub = create(EngineContext(tmp_path, settings={"stub_tts_ms": 80, "stub_tts_ms_per_word": 10_000}))
    began = time.perf_counter()
    times = [time.perf_counter() - began async for _ in stub.synthesize("One. Two. Three.", SpeakOptions())]
    assert times[0] >= 0.07
    assert times[-1] - times[0] < 5, "not the time that the words take"


async def test_an_answer_costs_next_to_nothing() -> None:
    stub, began = StubTts(), time.process_time()
    for _ in range(200):
        assert [chunk async for chunk in stub.synthesize("A sentence of six words here. " * 3, SpeakOptions())]
    assert (time.process_time() - began) / 200 < 0.002
