"""What every `EndOfTurn` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from antiphon.entities.speech import Pcm
from antiphon.ports.end_of_turn import EndOfTurn
from antiphon.providers.registry import load
from tests.conformance.recognisers import context, what_joy

WEIGHTS = {"stub": "", "silence": "", "smart-turn": "smart-turn"}
NAMES = [pytest.param(name, marks=pytest.mark.engines(weights) if weights else ()) for name, weights in WEIGHTS.items()]


@pytest.fixture(params=NAMES)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[EndOfTurn]:
    made = load("end_of_turn", [request.param], context())
    await made.start()
    yield made
    await made.close()


def noise(seconds: float, rate_hz: int) -> Pcm:
    samples = np.random.default_rng(3).integers(-9_000, 9_000, int(seconds * rate_hz))
    return Pcm(samples.astype("<i2").tobytes(), rate_hz)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param(Pcm(b"", 16_000), id="empty"),
        pytest.param(Pcm(b"\x01", 24_000), id="half a sample"),
        pytest.param(Pcm(bytes(16_001), 8_000), id="an odd second of zeros"),
        pytest.param(noise(0.5, 24_000), id="noise"),
        pytest.param(noise(12.0, 48_000), id="longer than it looks back"),
    ],
)
async def test_any_audio_has_a_probability(engine: EndOfTurn, audio: Pcm) -> None:
    assert 0.0 <= await engine.score(audio) <= 1.0


async def test_the_same_audio_has_the_same_score_alone_and_among_others(engine: EndOfTurn) -> None:
    clips = [what_joy(), what_joy(24_000), noise(0.3, 16_000), what_joy()]
    alone = [await engine.score(clip) for clip in clips]
    together = await asyncio.gather(*(engine.score(clip) for clip in clips))
    assert together == pytest.approx(alone, abs=1e-4)
    assert alone[0] == pytest.approx(alone[3], abs=1e-6)


async def test_a_finished_sentence_with_silence_behind_it_is_over(engine: EndOfTurn) -> None:
    audio = what_joy()
    assert await engine.score(Pcm(audio.data + bytes(6_400), audio.rate_hz)) > 0.5


async def test_it_says_what_it_is_and_closes_twice(engine: EndOfTurn) -> None:
    assert engine.capabilities.name in WEIGHTS
    await engine.close()
    await engine.close()
