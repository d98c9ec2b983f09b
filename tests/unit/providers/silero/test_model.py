"""Silero's network: batches of many streams, and the memory of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

from antiphon.app.settings import load_settings
from antiphon.audio.wav import read_wav
from antiphon.audio.windows import WINDOW_SAMPLES, WindowCutter, Windows
from antiphon.providers.silero.model import Feed, SileroModel, StreamState

AUDIO = Path(__file__).parents[3] / "audio"

pytestmark = pytest.mark.engines("silero-vad")


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel(load_settings().data_dir / "weights" / "silero-vad" / "silero_vad.onnx")


@pytest.fixture(scope="module")
def speech() -> Windows:
    return WindowCutter().push(read_wav((AUDIO / "spk2_snt2.wav").read_bytes()).data)


def test_windows_have_the_same_scores_at_once_and_one_by_one(model: SileroModel, speech: Windows) -> None:
    [whole] = model.score([Feed(speech, StreamState())])
    memory = StreamState()
    single = [model.score([Feed(speech[place : place + 1], memory)])[0][0] for place in range(len(speech))]
    assert single == pytest.approx(whole, abs=1e-4)
    assert max(whole) > 0.9
    assert all(0 <= score <= 1 for score in whole)


def test_streams_in_one_batch_do_not_mix_whatever_their_lengths(model: SileroModel, speech: Windows) -> None:
    feeds = [speech[:20], speech[10:13], np.zeros((7, WINDOW_SAMPLES), np.int16), speech]
    alone = [model.score([Feed(windows, StreamState())])[0] for windows in feeds]
    together = model.score([Feed(windows, StreamState()) for windows in feeds])
    assert [len(scores) for scores in together] == [20, 3, 7, len(speech)]
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=1e-4)


def test_a_stream_is_scored_with_what_came_before(model: SileroModel, speech: Windows) -> None:
    memory = StreamState()
    model.score([Feed(speech[:30], memory)])
    [with_memory] = model.score([Feed(speech[30:40], memory)])
    [without] = model.score([Feed(speech[30:40], StreamState())])
    assert with_memory != pytest.approx(without, abs=1e-3)


def test_a_skipped_window_is_the_context_of_the_next_and_changes_no_state(speech: Windows) -> None:
    memory = StreamState()
    state = memory.state.copy()
    memory.skip(speech[20])
    np.testing.assert_array_equal(memory.context, speech[20][-64:].astype(np.float32) / 32_768)
    np.testing.assert_array_equal(memory.state, state)


def test_a_file_that_is_no_network_is_an_error_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(InvalidProtobuf):
        SileroModel(tmp_path / "broken.onnx")
