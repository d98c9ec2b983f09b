"""Piper: neural voices for many languages, one file each; by default the English voice Joe.

piper-tts is GPL-3, so it runs in a process of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.child_voice import ChildVoice
from antiphon.providers.piper.settings import PiperSettings
from antiphon.providers.weights.files import Weights

_WEIGHTS = "piper-joe"
_MODEL = "en_US-joe-medium.onnx"


def create(context: EngineContext) -> PiperTts:
    """Entry point of the ``piper`` engine. Raises `WeightsMissing`."""
    path = context.section(PiperSettings).piper_path
    if path is None:
        path = Weights(context.data_dir, offline=context.offline).folder(_WEIGHTS) / _MODEL
    return PiperTts(path, context)


class PiperTts(ChildVoice):
    """Speaks with one voice file; other voices and languages are mapped to it."""

    def __init__(self, model: Path, context: EngineContext) -> None:
        self._voice = _read_voice(model)
        arguments = [str(model), str(context.threads)]
        module = "antiphon.providers.piper.process"
        super().__init__(ChildProcess("piper", module, needs="piper", arguments=arguments, timeout_s=context.timeout_s))

    @property
    def capabilities(self) -> Capabilities:
        """The one voice of the file."""
        language = self._voice.language.partition("-")[0]
        return Capabilities("piper", models=("piper",), voices=(self._voice,), languages=(language,), streams=True)


def _read_voice(model: Path) -> Voice:
    path = model.with_name(f"{model.name}.json")
    try:
        config = json.loads(path.read_bytes())
        language = str(config["language"]["code"]).replace("_", "-").lower()
        name = str(config.get("dataset") or model.stem)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise WeightsMissing(f"{path} is not a description of a Piper voice: {exc!r}") from exc
    return Voice(name, language, f"Piper, {model.stem}")
