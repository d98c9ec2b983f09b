from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.kokoro.tts import create


def folder(tmp_path: Path, *names: str) -> Path:
    (tmp_path / "kokoro-v1.0.onnx").write_bytes(b"no model")
    with (tmp_path / "voices-v1.0.bin").open("wb") as file:
        np.savez(file, **{name: np.zeros((510, 1, 256), np.float32) for name in names})
    return tmp_path


def context(tmp_path: Path) -> EngineContext:
    return EngineContext(tmp_path, offline=True, settings={"kokoro_path": tmp_path})


def test_the_voices_of_the_file_are_listed_the_favourite_first(tmp_path: Path) -> None:
    engine = create(context(folder(tmp_path, "am_adam", "af_heart", "jf_alpha", "pf_dora")))
    voices = [(voice.id, voice.language) for voice in engine.capabilities.voices]
    assert voices == [("af_heart", "en-us"), ("am_adam", "en-us"), ("jf_alpha", "ja"), ("pf_dora", "pt-br")]
    assert engine.capabilities.languages == ("en", "ja", "pt")


def test_without_weights_the_command_that_brings_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="antiphon models pull kokoro"):
        create(context(tmp_path))
    with pytest.raises(WeightsMissing, match="antiphon models pull kokoro"):
        create(EngineContext(tmp_path, offline=True))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_broken_file_of_voices_is_refused(tmp_path: Path, content: bytes) -> None:
    (folder(tmp_path, "af_heart") / "voices-v1.0.bin").write_bytes(content)
    with pytest.raises(WeightsMissing, match="holds no voices"):
        create(context(tmp_path))


async def test_a_broken_model_is_an_engine_that_is_not_available(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    engine = create(context(folder(tmp_path, "af_heart")))
    with pytest.raises(ProviderUnavailable, match="the model of kokoro failed"):
        await engine.start()
    await engine.close()
