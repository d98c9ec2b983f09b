"""Smart Turn tells a finished sentence from a broken one, more often than not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from statistics import mean

import pytest

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.entities.speech import Pcm
from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.smart_turn import SmartTurn, create

AUDIO = Path(__file__).parents[2] / "audio"
NAMES = ["austen-0870.wav", "austen-0920.wav", "spk1_snt4.wav", "spk1_snt5.wav", "spk2_snt2.wav", "spk2_snt4.wav"]


@pytest.fixture
async def engine() -> AsyncIterator[SmartTurn]:
    made = create(EngineContext(load_settings().data_dir, offline=True))
    await made.start()
    yield made
    await made.close()


def recording(name: str) -> Pcm:
    return read_wav((AUDIO / name).read_bytes())


@pytest.mark.engines("smart-turn")
async def test_whole_sentences_sound_finished_and_half_ones_do_not(engine: SmartTurn) -> None:
    whole = [recording(name) for name in NAMES]
    halves = [Pcm(clip.data[: len(clip.data) // 4 * 2], clip.rate_hz) for clip in whole]
    assert mean([await engine.score(clip) for clip in whole]) > 0.8
    assert mean([await engine.score(clip) for clip in halves]) < 0.3


@pytest.mark.engines("smart-turn")
async def test_only_the_last_eight_seconds_count(engine: SmartTurn) -> None:
    clip = recording("austen-0870.wav")
    before = recording("jfk.wav")
    padded = Pcm(before.data[: 16_000 * 2 * 9] + clip.data[-16_000 * 2 * 8 :], 16_000)
    tail = Pcm(padded.data[-16_000 * 2 * 8 :], 16_000)
    assert await engine.score(padded) == pytest.approx(await engine.score(tail), abs=1e-5)


@pytest.mark.engines("smart-turn")
async def test_a_late_score_is_an_error(engine: SmartTurn) -> None:
    engine._context = EngineContext(load_settings().data_dir, timeout_s=0.001)
    with pytest.raises(ProviderTimeout):
        await engine.score(recording("jfk.wav"))


async def test_without_weights_it_says_what_to_do(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, offline=True))
    with pytest.raises(WeightsMissing, match="antiphon models pull smart-turn"):
        await engine.start()
    with pytest.raises(ProviderUnavailable):
        await engine.score(Pcm(b"", 16_000))


async def test_a_broken_file_is_an_error_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "smart-turn"
    folder.mkdir(parents=True)
    with (folder / "smart-turn.onnx").open("wb") as file:
        file.truncate(8_679_182)
    engine = create(EngineContext(tmp_path, offline=True))
    with pytest.raises(ProviderUnavailable, match="smart-turn"):
        await engine.start()
