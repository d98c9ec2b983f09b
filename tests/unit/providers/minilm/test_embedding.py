"""MiniLM finds paraphrases, holds nothing before its first text, and says what it lacks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.app.settings import load_settings
from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.minilm.embedding import MiniLm, create

PAIRS = [
    ("Where does the user live?", "My home is in a small flat in Lisbon."),
    ("I am allergic to peanuts.", "Nuts make me ill, so I cannot eat them."),
    ("Our dog is called Rex.", "The name of my puppy is Rex."),
    ("She works as a nurse.", "Her job is at the hospital, caring for patients."),
    ("The meeting is on Monday at nine.", "We get together at 9 a.m. at the start of the week."),
    ("I prefer to travel by train.", "Railways are my favourite way to get around."),
    ("My car broke down yesterday.", "The automobile stopped working the day before today."),
    ("He plays the guitar in a band.", "He is a musician in a rock group."),
    ("The weather was cold and rainy.", "It was wet and chilly outside."),
    ("I want to learn Spanish this year.", "Studying the language of Spain is my goal."),
]


@pytest.fixture
async def engine() -> AsyncIterator[MiniLm]:
    made = create(EngineContext(load_settings().data_dir, offline=True))
    await made.start()
    yield made
    await made.close()


@pytest.mark.engines("minilm")
async def test_the_nearest_text_is_the_paraphrase(engine: MiniLm) -> None:
    texts = await engine.embed([text for text, _ in PAIRS])
    paraphrases = await engine.embed([paraphrase for _, paraphrase in PAIRS])
    assert (texts @ paraphrases.T).argmax(axis=1).tolist() == list(range(len(PAIRS)))


@pytest.mark.engines("minilm")
async def test_what_lies_behind_the_window_does_not_count(engine: MiniLm) -> None:
    long, longer, shorter = await engine.embed(["rain " * 400, "rain " * 400 + "and a red bicycle", "rain " * 100])
    assert np.array_equal(long, longer)
    assert not np.array_equal(long, shorter)


@pytest.mark.engines("minilm")
async def test_nothing_is_loaded_before_the_first_text(engine: MiniLm) -> None:
    assert engine._model is None
    await engine.embed([])
    assert engine._model is None
    await engine.embed(["one"])
    assert engine._model is not None
    await engine.close()
    assert engine._model is None
    await engine.start()
    assert (await engine.embed(["one"])).shape == (1, 384)


def test_its_libraries_are_not_imported_before_the_first_text() -> None:
    code = "import sys, antiphon.providers.minilm.embedding as _; print('onnxruntime' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.engines("minilm")
async def test_a_late_vector_is_an_error(engine: MiniLm) -> None:
    engine._context = EngineContext(load_settings().data_dir, timeout_s=0.0001)
    with pytest.raises(ProviderTimeout):
        await engine.embed(["word " * 500])


async def test_without_weights_it_starts_with_a_warning_and_embedding_says_what_to_do(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, offline=True))
    with capture_logs() as logs:
        await engine.start()
    assert [(line["event"], line["log_level"]) for line in logs] == [("weights missing", "warning")]
    for _ in range(2):
        with pytest.raises(WeightsMissing, match="antiphon models pull minilm"):
            await engine.embed(["one"])
    await engine.close()


@pytest.mark.engines("minilm")
async def test_weights_that_come_later_are_used(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, offline=True))
    await engine.start()
    (tmp_path / "weights").symlink_to(load_settings().data_dir / "weights")
    assert (await engine.embed(["one"])).shape == (1, 384)
    await engine.close()


@pytest.mark.engines("minilm")
async def test_without_its_library_embedding_names_the_package(engine: MiniLm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "antiphon.providers.minilm.model", raising=False)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(WeightsMissing, match=r"antiphon\[local\]") as refused:
        await engine.embed(["one"])
    assert refused.value.code == "engine_not_installed"


async def test_broken_files_are_errors_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "minilm"
    folder.mkdir(parents=True)
    for name, size in (("model.onnx", 22_928_619), ("vocab.txt", 231_508)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    engine = create(EngineContext(tmp_path, offline=True))
    await engine.start()
    with pytest.raises(ProviderUnavailable, match="minilm"):
        await engine.embed(["one"])
    (folder / "vocab.txt").write_bytes(b"[UNK]\n[CLS]\n[SEP]\n".ljust(231_508, b"x"))
    with pytest.raises(ProviderUnavailable, match="the model of minilm failed"):
        await engine.embed(["one"])
    await engine.close()


async def test_before_the_start_and_after_the_end_it_is_unavailable(tmp_path: Path) -> None:
    engine = create(EngineContext(tmp_path, offline=True))
    with pytest.raises(ProviderUnavailable, match="not started"):
        await engine.embed(["one"])
    await engine.start()
    await engine.close()
    with pytest.raises(ProviderUnavailable, match="not started"):
        await engine.embed(["one"])
