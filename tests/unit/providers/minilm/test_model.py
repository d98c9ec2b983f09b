"""MiniLM's tokenizer cuts, lowers and refuses as the network was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.app.settings import load_settings
from antiphon.errors import ProviderUnavailable
from antiphon.providers.minilm.model import MiniLmModel
from antiphon.providers.weights.files import Weights

pytestmark = pytest.mark.engines("minilm")


@pytest.fixture(scope="module")
def model() -> MiniLmModel:
    return MiniLmModel(Weights(load_settings().data_dir, offline=True).folder("minilm"))


def tokens(model: MiniLmModel, text: str) -> list[str]:
    return model._tokenizer.encode(text).tokens


def test_words_are_lowered_and_split_between_the_marks(model: MiniLmModel) -> None:
    words = tokens(model, "Café, unaffordable!")
    assert words == ["[CLS]", "cafe", ",", "una", "##ff", "##ord", "##able", "!", "[SEP]"]
    assert tokens(model, "") == ["[CLS]", "[SEP]"]
    assert tokens(model, "日本 \0") == ["[CLS]", "日", "本", "[SEP]"]


def test_a_mark_written_in_a_text_is_only_text(model: MiniLmModel) -> None:
    assert tokens(model, "[SEP]") == ["[CLS]", "[", "sep", "]", "[SEP]"]


def test_a_text_of_many_tokens_is_cut_with_its_end_mark(model: MiniLmModel) -> None:
    found = tokens(model, "rain " * 1_000)
    assert (len(found), found[-1]) == (256, "[SEP]")


def test_a_vector_does_not_depend_on_case_and_has_length_one(model: MiniLmModel) -> None:
    vector = model.vector("The Red Bicycle")
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(vector, model.vector("the red bicycle"))


def test_a_vocabulary_without_its_marks_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\nword\n")
    with pytest.raises(ProviderUnavailable, match="models pull minilm"):
        MiniLmModel(tmp_path)
