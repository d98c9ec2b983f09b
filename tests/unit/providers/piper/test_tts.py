from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.piper.tts import create


def context(tmp_path: Path, **settings: object) -> EngineContext:
    return EngineContext(tmp_path, offline=True, settings=settings)


def test_the_voice_is_what_its_file_says(tmp_path: Path) -> None:
    model = tmp_path / "de_DE-thorsten-medium.onnx"
    description = {"language": {"code": "de_DE"}, "dataset": "thorsten"}
    model.with_name(f"{model.name}.json").write_text(json.dumps(description))
    capabilities = create(context(tmp_path, piper_path=model)).capabilities
    assert [(voice.id, voice.language) for voice in capabilities.voices] == [("thorsten", "de-de")]
    assert capabilities.languages == ("de",)


def test_a_missing_voice_says_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="antiphon models pull piper-joe"):
        create(context(tmp_path))


@pytest.mark.parametrize("description", [None, "{", "[]", '{"language": 1}', "{}"])
def test_a_voice_without_its_description_is_missing(tmp_path: Path, description: str | None) -> None:
    model = tmp_path / "voice.onnx"
    if description is not None:
        model.with_name("voice.onnx.json").write_text(description)
    with pytest.raises(WeightsMissing, match=r"voice\.onnx\.json"):
        create(context(tmp_path, piper_path=model))
