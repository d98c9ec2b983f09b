"""The score worker: an utterance in, a probability out."""

from __future__ import annotations

import pytest

from antiphon.entities.speech import Pcm
from antiphon.errors import ProviderRejected
from antiphon.providers.stub.end_of_turn import StubTurn
from antiphon.wire.entries import JobFailed, ScoreReady
from antiphon.wire.jobs import Score, Translate
from antiphon.workers.score import Scorer
from tests.fakes.engines import ScriptedTurn
from tests.serving import silence
from tests.working import working

LOUD = b"\x00\x20\x00\xe0" * 8_000
"""Half a second of the highest tone there is."""


@pytest.mark.parametrize(("audio", "probability"), [
    (LOUD, 0.1),
    (LOUD + silence(1, 16_000), 0.9),
    (b"", 0.9),
])  # fmt: skip
async def test_the_stub_takes_quiet_for_an_end(audio: bytes, probability: float) -> None:
    async with working("score", Scorer(StubTurn()).handle) as bench:
        assert await bench.do(Score(audio, 16_000)) == [ScoreReady("job_1", probability)]


async def test_the_engine_hears_the_audio_at_its_rate() -> None:
    engine = ScriptedTurn([0.25])
    async with working("score", Scorer(engine).handle) as bench:
        assert await bench.do(Score(b"abcd", 8_000)) == [ScoreReady("job_1", 0.25)]
    assert engine.asked == [(Pcm(b"abcd", 8_000),)]


async def test_a_failure_is_told_and_the_next_job_is_done() -> None:
    error = ProviderRejected("too long")
    async with working("score", Scorer(ScriptedTurn([error], [0.5])).handle) as bench:
        assert await bench.do(Score(b"", 8_000)) == [
            JobFailed("job_1", error.type, error.code, "too long", kind=type(error).__name__)
        ]
        assert await bench.do(Score(b"", 8_000)) == [ScoreReady("job_2", 0.5)]
        (wrong,) = await bench.do(Translate("hello", "es"))
    assert isinstance(wrong, JobFailed)
    assert wrong.code == "wrong_queue"
